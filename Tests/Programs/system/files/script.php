<?php
$rows = array_map(fn($l) => str_getcsv($l, ',', '"', ''), file('table.csv')); array_shift($rows);
printf("%d %.2f\n", count($rows), array_sum(array_column($rows, 2)));
echo json_encode(json_decode(file_get_contents('data.json'), true)), "\n";
echo implode(",", array_map(fn($x) => $x ** 2, range(1, 5))), " ", md5("x"), " ", strrev("abc"), "\n";
function gen() { for ($i = 0; $i < 3; $i++) yield $i => $i * 2; } foreach (gen() as $k => $v) echo "$k=$v ";
echo preg_replace('/(\w+) (\w+)/', '$2 $1', "hello world"), "\n"; exit(9);
