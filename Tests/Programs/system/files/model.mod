var x >= 0; var y >= 0;
maximize z: 5*x + 4*y;
s.t. a: 6*x + 4*y <= 24;
s.t. b: x + 2*y <= 6;
solve;
printf "%g %g %g\n", x, y, z;
end;
