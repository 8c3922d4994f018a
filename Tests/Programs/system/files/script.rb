words = File.readlines("words.txt").map(&:chomp)
puts words.group_by(&:size).sort.map { |k, v| "#{k}=#{v.size}" }.join(" ")
Point = Struct.new(:x, :y) { def +(o) = Point.new(x + o.x, y + o.y) }
p Point.new(1, 2) + Point.new(3, 4), 2**100, 10.fdiv(4), "héllo".reverse, [3, 1, 2].sort.sum
q = Queue.new; t = Thread.new { 3.times.map { q.pop } }; 3.times { |i| q << i * i }; p t.value
begin; Integer("x"); rescue ArgumentError => e; puts e.message; end
puts "%08.3f|%-5s|%x" % [3.14159, "ab", 255]; exit 4
