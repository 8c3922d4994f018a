(print (map (fn (x) (* x x)) (sequence 1 5)))
(print (append "a" "b"))
(println)
(exit 2)
