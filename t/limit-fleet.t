# Limits over the fleet are exact: two nginx, one Redis, many at once (RL-03).

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Fleet;
use Weir::Flood;

my ($a, $b) = Weir::Fleet::pair(
    http => 'weir_limit_zone $arg_k zone=rate:1m rate=100r/h burst=99
                             scope=fleet;
             weir_limit_zone $arg_k zone=quota:1m quota=70/month scope=fleet;
             weir_limit_zone $arg_k zone=slow:1m rate=60r/m burst=4
                             scope=fleet;
             weir_limit_zone $arg_k zone=dry:1m quota=5/month scope=fleet;
             weir_limit_zone $arg_n zone=node:1m rate=10r/h burst=9;',
    location => 'return 404;',
    server => 'location = /rate { weir_limit zone=rate; return 200; }
               location = /quota { weir_limit zone=quota; return 200; }
               location = /both { weir_limit zone=rate; weir_limit zone=quota;
                                  return 200; }
               location = /slow { weir_limit zone=slow; return 200; }
               location = /dry { weir_limit zone=rate;
                                 weir_limit zone=dry dry_run; return 200; }
               location = /node { weir_limit zone=rate; weir_limit zone=node;
                                  return 200; }');

$a->start('redis', 'nginx');
$b->start('nginx');
Weir::Fleet::ready($_) for $a, $b;


sub flood {
    my ($path, %o) = @_;

    return Weir::Flood::flood(ports => [$a->port, $b->port], path => $path,
                              requests => 1000, %o);
}


sub used { Weir::Fleet::used($a, @_) }


# exactly as many as there are, whatever the form of the limit

for my $try (1 .. 3) {
    my $n = flood("/rate?k=r$try");
    is($n->{200}, 100, 'a rate: exactly 100 of 1,000');
    is($n->{429}, 900, 'all others are refused');

    $n = flood("/quota?k=q$try");
    is($n->{200}, 70, 'a quota: exactly 70');
    is(used('quota', "q$try"), 70, 'as Redis knows');

    # all or nothing: the rate is charged for those only whom the quota lets in

    $n = flood("/both?k=b$try");
    is($n->{200}, 70, 'two limits: exactly 70');
    is(used('quota', "b$try"), 70, 'the quota is used up');
    cmp_ok(used('rate', "b$try"), '<=', 70, 'the rate no more than that');
    cmp_ok(used('rate', "b$try"), '>', 69, 'but it is charged');
}


# a hundred keys at once: each for itself, and more names than fit into one
# transaction

my $n = flood(sub { '/both?k=m' . $_[0] % 200 }, requests => 20000,
              connections => 128);
is($n->{200}, 200 * 70, 'two hundred keys: each has its own');
is(scalar(grep { used('quota', "m$_") != 70 } 0 .. 199), 0, 'exactly');


# a node's limit among them: what it was charged is given back if the fleet
# refuses, and the fleet is not asked if the node refuses

$n = flood('/node?k=n&n=x', requests => 100);
is($n->{200}, 20, 'two nodes of ten');
cmp_ok(used('rate', 'n'), '<=', 20, 'no more is charged over the fleet');

$n = flood('/rate?k=full', requests => 200);
is($n->{200}, 100, 'the fleet has no more');
$n = flood('/node?k=full&n=y', requests => 100);
is($n->{429}, 100, 'the fleet refuses');
$n = flood('/node?k=other&n=y', requests => 100);
is($n->{200}, 20, 'the nodes were not charged for that');


# a dry run refuses nobody, and is charged for those who get in

$n = flood('/dry?k=d');
is($n->{200}, 100, 'a dry run: the other limit alone counts');
is(used('dry', 'd'), 5, 'it is charged as if it did');


# refused, then at Retry-After let in: the refusals have cost nothing

flood('/slow?k=s', requests => 200);
my $c = $a->ask('/slow?k=s', no_key => 1);
is($c->status, 429, 'refused');
my $ms = $c->header('retry-after-ms');
cmp_ok($ms, '<=', 1000, 'for the time that a unit takes');
flood('/slow?k=s', requests => 300);

my $end = $c->{end} + $ms / 1000;
my $again;

$a->wait_for(5, sub {
    $again = $a->ask('/slow?k=s', no_key => 1);
    return $again->status == 200;
}, 'let in again');
cmp_ok($again->{end}, '<', $end + 0.8, 'as soon as was said');


# many requests share a transaction, and who was just refused needs none

my $transactions = sub { Weir::Fleet::metric($a, 'transactions_total') };
my $before = $transactions->();
Weir::Flood::flood(ports => [$a->port], path => '/rate?k=t', requests => 5000,
                   connections => 128);
cmp_ok($transactions->() - $before, '<', 1000, 'five requests each, or more');
cmp_ok(Weir::Fleet::metric($a, 'remembered_total'), '>', 3000,
       'of a refused key most are refused without asking');
is(Weir::Fleet::metric($_, 'waiting'), 0, 'nobody waits') for $a, $b;

$b->end;
$a->end;

done_testing();
