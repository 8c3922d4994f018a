use strict; use warnings;
my %count; open(my $in, "<", "words.txt") or die; while (<$in>) { chomp; $count{length $_}++ }
print join(" ", map { "$_:$count{$_}" } sort { $a <=> $b } keys %count), "\n";
my @m = ("2026-01-15" =~ /(\d+)-(\d+)-(\d+)/); print "@m\n";
printf "%s %05.2f %x\n", scalar reverse("abc"), 3.14159, 255;
my $s = "aXbXc"; (my $t = $s) =~ s/X/-/g; print "$t ", join("|", split /X/, $s), "\n";
local $SIG{ALRM} = sub { print "alarm\n" }; eval { die { code => 42 } }; print $@->{code}, "\n";
kill ALRM => $$; print join(",", sort { $b <=> $a } grep { $_ % 3 == 0 } 1 .. 20), "\n"; exit 5;
