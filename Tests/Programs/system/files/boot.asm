bits 64
section .text
global _start
_start: mov rax, 60
 xor rdi, rdi
 lea rsi, [rel msg]
 syscall
section .data
msg: db "hello", 10
