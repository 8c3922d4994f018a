proc fib n { if {$n < 2} { return $n }; expr {[fib [expr {$n-1}]] + [fib [expr {$n-2}]]} }
puts [fib 15]; puts [lsort -integer {30 4 100}]; array set a {x 1 y 2}; puts [lsort [array names a]]
puts [regsub -all {o} "foo boo" 0]; puts [format %05.1f 3.14159]; puts [string map {a b} banana]
set f [open words.txt]; puts [llength [split [read $f] \n]]; close $f; puts [expr {2**70}]; exit 6
