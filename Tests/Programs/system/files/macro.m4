define(`square',`eval($1 * $1)')dnl
square(7) ifelse(1,1,yes,no) len(`hello') translit(`abc',`a-c',`A-C')
