(define (tak x y z) (if (not (< y x)) z (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y))))
(display (tak 12 8 4)) (newline) (display (exact->inexact 1/3)) (newline) (display (expt 3 60)) (newline)
