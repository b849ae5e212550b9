# replay.pl RESULT [NAME VALUE]...: writes a log of requests (the options of
# Weir::Workload::generate), replays it over two nginx and one Redis, and prints
# what the cache saved, by tier.  The file RESULT gets the measured and the
# predicted hit ratio.
#
# Exit status 1: something was not as the log predicts; 2: the machine was too
# slow for the times of the log.

use strict;
use warnings;

use List::Util qw(min);
use Weir::Replay;
use Weir::ReplayStack;

my ($result, %o) = @ARGV;
my $s = Weir::ReplayStack->new(%o);

$s->start;

my @different = $s->replay;
my ($f, $p) = ($s->{replay}, $s->{predicted});

printf "%d requests in %.1f s, %d connections, %s\n", $p->{all}{requests},
       $f->{elapsed}, $s->{connections},
       $f->{log}{pace} ? "at the times of the log, " . int($f->{late})
                         . ' ms late at worst'
                       : 'as fast as they go';
print $s->table;
print "not as predicted: $_\n" for @different[0 .. min($#different, 39)];
print @different - 40, " more\n" if @different > 40;

if ($f->{log}{margin} && $f->{late} >= $f->{log}{margin}) {
    print "later than $f->{log}{margin} ms: the log predicts nothing\n";
    exit 2;
}

my $row = $f->{row}{all};

open my $out, '>', $result or die "$result: $!";
printf $out "%.4f %.4f\n",
    100 * Weir::Replay::ratio($row->{hits} + $row->{joined}, $row),
    100 * Weir::Replay::ratio($p->{all}{hits}, $p->{all});
close $out or die "$result: $!";

$s->stop;
exit(@different ? 1 : 0);
