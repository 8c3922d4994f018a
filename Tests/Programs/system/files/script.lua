local function fib(n) if n < 2 then return n end return fib(n-1) + fib(n-2) end
print(fib(20), string.format("%.3f %q", math.pi, "a\n"), #arg)
local t = {}
for w in ("the cat the dog"):gmatch("%a+") do t[w] = (t[w] or 0) + 1 end
local keys = {} for k in pairs(t) do keys[#keys+1] = k end
table.sort(keys) for _, k in ipairs(keys) do io.write(k, "=", t[k], " ") end print()
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)
print(co(), co(), co(), select("#", 1, nil, 3), 7 // 2, 7 % -3, 1 << 40, 2^53)
print(pcall(error, {code = 2}), os.getenv("HOME"))
for line in io.lines("words.txt") do io.write(line:sub(1, 1)) end print()
