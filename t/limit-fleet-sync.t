# sync=N: a node runs ahead of Redis by N units, so that all of them together
# admit N x nodes too much at the most, whoever is killed meanwhile.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Fleet;
use Weir::Flood;

my @sync = (1, 10, 50, 500);

my $zones = join "\n", map {
    "weir_limit_zone \$arg_k zone=q$_:1m quota=100/month scope=fleet sync=$_;
     weir_limit_zone \$arg_k zone=r$_:1m rate=100r/h burst=99 scope=fleet
                     sync=$_;"
} @sync;

my $locations = join "\n", map {
    "location = /q$_ { weir_limit zone=q$_ on_error=deny; return 200; }
     location = /r$_ { weir_limit zone=r$_ on_error=deny; return 200; }"
} @sync;

my ($a, $b) = Weir::Fleet::pair(
    http => "$zones
             weir_limit_zone \$arg_n zone=node:1m quota=3/month;",
    location => 'return 404;',
    server => "$locations
               location = /local { weir_limit zone=q10 on_error=local;
                                   return 200; }
               location = /both { weir_limit zone=q50 on_error=deny;
                                  weir_limit zone=q10 on_error=deny;
                                  return 200; }
               location = /node { weir_limit zone=q10 on_error=deny;
                                  weir_limit zone=node; return 200; }");

$a->start('redis');

my $proxy = Weir::Fleet::behind_proxy($a, 'timeout=1s');

$a->start('nginx');
$b->start('nginx');
Weir::Fleet::ready($_) for $a, $b;


sub flood {
    my ($path, %o) = @_;

    return Weir::Flood::flood(ports => [$a->port, $b->port], path => $path,
                              requests => 1000, %o);
}


sub get {
    my ($path) = @_;

    return $a->ask($path, no_key => 1)->status;
}


sub used { Weir::Fleet::used($a, @_) // 0 }


# the bound; and all that was admitted is told

for my $n (@sync) {
    my $most = 0;

    for my $try (1 .. 5) {
        my $q = flood("/q$n?k=$try")->{200};

        cmp_ok($q, '>=', 100, "sync=$n: a quota, at least what there is");
        cmp_ok($q, '<=', 100 + 2 * $n, 'at most the bound');
        $a->wait_for(5, sub { used("q$n", $try) == $q }, 'all is told');

        my $r = flood("/r$n?k=$try")->{200};

        cmp_ok($r, '>=', 100, "sync=$n: a rate, at least what there is");
        cmp_ok($r, '<=', 100 + 2 * $n, 'at most the bound');

        $most = $q if $q > $most;
    }

    # once Redis was told nobody gets in any more

    is(flood("/q$n?k=1")->{429}, 1000, 'used up, and everybody knows');

    # else this would test nothing

    cmp_ok($most, '>', 100, 'it does run ahead') if $n == 500;
}


# what one node admits the other one hears of when it asks

is(get('/q10?k=hear'), 200, 'one node admits') for 1 .. 8;
$a->wait_for(5, sub { used('q10', 'hear') == 8 }, 'Redis is told at once');


# nor does a node refuse for ever by what it heard once: others may have given
# back, or an operator

$a->wait_for(10, sub { get('/q1?k=again') == 429 }, 'all is used up');
$a->redis('DEL', @{ $a->redis('KEYS', 'weir:{0}:limit:q1:*') });
$a->wait_for(10, sub { get('/q1?k=again') == 200 }, 'until it is not');
pass('what was given back is heard of');


# several limits, all or nothing: what a refused request was charged is taken
# back

my $n = flood('/both?k=b')->{200};
cmp_ok($n, '<=', 100 + 2 * 10, 'two limits: the tighter bound');
$a->wait_for(5, sub { used('q50', 'b') == $n && used('q10', 'b') == $n },
             'both are charged the same');

$n = Weir::Flood::flood(ports => [$a->port], path => '/node?k=n&n=1',
                        requests => 100);
is($n->{200}, 3, 'with a limit of the node');
$a->wait_for(5, sub { used('q10', 'n') == 3 }, 'the fleet is charged the same');


# Redis is silent: N ahead, and no further

$proxy->mode(mute => 1);
$n = Weir::Flood::flood(ports => [$a->port], path => '/q10?k=silent',
                        requests => 50, connections => 50);
is($n->{200}, 10, 'Redis is silent: ten ahead');
is($n->{503}, 40, 'the others are undecided');

# on_error=local: the node alone counts

$n = Weir::Flood::flood(ports => [$a->port], path => '/local?k=alone',
                        requests => 200, connections => 10);
is($n->{200}, 100, 'local: what there is on this node');

$proxy->mode;
Weir::Fleet::ready($a);
$a->wait_for(10, sub { used('q10', 'silent') == 10 },
             'it is told when Redis is back');
$a->wait_for(10, sub { used('q10', 'alone') == 100 }, 'this too');


# the process that was telling is killed: another one tells

$proxy->mode(mute => 1);
is(get('/q10?k=killed'), 200, 'admitted, and not told') for 1 .. 10;
$a->kill_child('nginx') for $a->children('nginx');
$proxy->mode;
Weir::Fleet::ready($a);

# until then Redis alone admits, and the other node, ten ahead; then it knows of
# all, and of more than there is

$n = flood('/q10?k=killed', requests => 200)->{200};
cmp_ok($n, '<=', 110, 'others get in as far as Redis knows');
$a->wait_for(20, sub {
    get('/q10?k=killed');
    return used('q10', 'killed') >= 10 + $n;
}, 'another process tells it, though it is refused');
cmp_ok(used('q10', 'killed'), '<=', 10 + $n + 10, 'twice at the most');

# killed while it tells, many times: never more than the bound gets in

my %n = (200 => 0);

for (1 .. 10) {
    my $n = flood('/q10?k=often', requests => 40, connections => 8);
    $n{200} += $n->{200} // 0;
    $a->kill_child('nginx');
}

$n = flood('/q10?k=often');
$n{200} += $n->{200} // 0;
cmp_ok($n{200}, '<=', 100 + 2 * 10, 'killed ten times: the bound holds');
cmp_ok($n{200}, '>=', 100 - 10 * 10, 'and not much is lost');


# the answer to what was told is lost: it is told again

$proxy->rules({ on => 'EXEC', with => Weir::Fleet::name('limit', 'q10', 'lost'),
                times => 1, lose => 1 });
is(get('/q10?k=lost'), 200, 'admitted') for 1 .. 5;
$a->wait_for(10, sub { used('q10', 'lost') >= 5 }, 'told');
Weir::Fleet::ready($a);
is(get('/q10?k=lost'), 200, 'and on');
$a->wait_for(10, sub { used('q10', 'lost') >= 6 }, 'told');
cmp_ok(used('q10', 'lost'), '<=', 6 + 10, 'twice at the most');

$b->end;
$a->end;
$proxy->stop;

done_testing();
