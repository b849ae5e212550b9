# weir usage: the ledger by owner and day.

use strict;
use warnings;

use lib 't/lib';
use POSIX qw(strftime);
use Test::More;
use Weir::Stack;
use Weir::Tool;

my $stack = Weir::Stack->new;

$stack->start('redis');

my $t = Weir::Tool->new(redis => $stack->dir . '/redis.sock');


sub ledger {
    my ($day, @fields) = @_;

    $stack->redis('HSET', "weir:{0}:usage:$day", @fields);
}


# rows(ARGUMENTS): "day owner jobs input output cost"

sub rows {
    my (@args) = @_;

    return [map { join ' ', @$_{qw(day owner jobs input_tokens output_tokens
                                   cost_usd)} } @{ $t->json('usage', @args) }];
}


is_deeply(rows(), [], 'nothing yet');
is_deeply([($t->run('usage'))[0, 1]], [0, ''], 'nor on the screen');

ledger('20260131', 'bob:jobs', 1);
ledger('20260201', 'bob:jobs', 2, 'bob:input', 30, 'bob:output', 4,
       'bob:cost', 1234567, 'al:jobs', 1, 'al:cost', 5, 'al.b:jobs', 7,
       'rust', 9, 'bob:later', 8);

my @range = qw(--from 2026-01-31 --to 2026-02-01);

is_deeply(rows(@range), ['2026-01-31 bob 1 0 0 0.000000',
                         '2026-02-01 al 1 0 0 0.000005',
                         '2026-02-01 al.b 7 0 0 0.000000',
                         '2026-02-01 bob 2 30 4 1.234567'], 'two days');
is_deeply(rows(qw(--to 2026-01-31)), ['2026-01-31 bob 1 0 0 0.000000'],
          'the day before');
is(@{ rows(qw(--to 2026-03-01)) }, 4, '30 days');
is(@{ rows(qw(--to 2026-03-02)) }, 3, 'and no more');
is_deeply(rows(qw(--to 2026-03-02 --owner carol)), [], 'nobody then');
is(@{ rows(qw(--from 2000-01-01 --to 2026-02-01 --owner bob)) }, 2,
   'from long ago');
is_deeply(rows(@range, '--owner', 'al'), ['2026-02-01 al 1 0 0 0.000005'],
          'one owner');

my ($status, $out) = $t->run('usage', @range);

is($status, 0, 'a table');
is($out =~ s/ +/ /gr, <<'END', 'with its sum');
day owner jobs input output cost in $
2026-01-31 bob 1 0 0 0.000000
2026-02-01 al 1 0 0 0.000005
2026-02-01 al.b 7 0 0 0.000000
2026-02-01 bob 2 30 4 1.234567
all 11 30 4 1.234572
END

my $today = strftime('%Y%m%d', gmtime);

ledger($today, 'al:jobs', 3);
like(rows()->[0], qr/^\d{4}-\d\d-\d\d al 3 0 0 0\.000000$/, 'today');

$stack->end;
done_testing;
