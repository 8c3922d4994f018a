(format t "~a ~r~%" (loop for i from 1 to 10 sum (* i i)) 1234)
(print (expt 7 77))
(handler-case (error "x") (error (e) (format t "~%caught ~a~%" e)))
