variable x 5 x ! : sq dup * ; x @ sq . cr
: up 10 0 do i . loop cr ; up
