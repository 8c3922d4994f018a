function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
var a = [3, 1, 2].sort(), o = JSON.parse('{"a":[1,2,{"b":null}]}');
print(fib(18), a.join("-"), JSON.stringify(o), "x".charCodeAt(0), /(\d+)-(\d+)/.exec("10-20")[2]);
try { null.x } catch (e) { print("caught", e instanceof TypeError); }
print([1, 2, 3].map(function (x) { return x * x }).reduce(function (x, y) { return x + y }), (0.1 + 0.2).toFixed(10), parseInt("ff", 16));
