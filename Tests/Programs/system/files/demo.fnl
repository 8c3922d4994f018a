(local t [1 2 3])
(each [_ v (ipairs t)] (print (* v v)))
(print (.. "a" :b) (accumulate [s 0 _ v (ipairs t)] (+ s v)))
