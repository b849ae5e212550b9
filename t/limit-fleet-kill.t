# Limits over the fleet while processes die and clients leave: never one too
# many, whatever gets lost.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Fleet;
use Weir::Flood;

my $limits = 'weir_limit zone=quota on_error=deny;
              weir_limit zone=rate on_error=deny;';

my ($a, $b) = Weir::Fleet::pair(
    http => 'weir_limit_zone $arg_k zone=quota:1m quota=2000/month
                             scope=fleet;
             weir_limit_zone $arg_k zone=rate:1m rate=2000r/d burst=1999
                             scope=fleet;
             weir_limit_zone $arg_k zone=early:1m quota=10/month scope=fleet;
             weir_limit_zone $arg_k zone=tokens:1m count=tokens rate=1000/d
                             scope=fleet;',
    location => 'return 404;',
    server => "location = /f { $limits return 200; }
               location /api { weir_api; weir_limit zone=early;
                               weir_limit zone=tokens; }");

$a->start('redis');

my $proxy = Weir::Fleet::behind_proxy($a, 'timeout=5s');

$a->start('nginx');
$b->start('nginx');
Weir::Fleet::ready($_) for $a, $b;


sub used { Weir::Fleet::used($a, @_) // 0 }


sub flood {
    my ($key, $on_answer) = @_;

    return Weir::Flood::flood(ports => [$a->port, $b->port], path => "/f?k=$key",
                              requests => 6000, lost => 1,
                              on_answer => $on_answer);
}


# processes of nginx are killed in the middle

my $n = flood('nginx', sub {
    $a->kill_child('nginx') if $_[0] % 400 == 0 && $_[0] <= 2000;
});

cmp_ok($n->{lost}, '>', 0, 'processes are killed: requests get lost');
cmp_ok($n->{200}, '<=', 2000, 'none too many gets in');
cmp_ok($n->{200}, '>=', 2000 - $n->{lost}, 'nor too few');
is(used('quota', 'nginx'), 2000, 'all is used');
cmp_ok(used('rate', 'nginx'), '>', 1999, 'of both limits');
cmp_ok(used('rate', 'nginx'), '<=', 2000, 'the same');


# Redis is killed in the middle: what it answered it still knows

my $kills = 0;

Weir::Fleet::ready($_) for $a, $b;
$n = flood('redis', sub {
    return if $_[0] < 300 * ($kills + 1) || $kills == 3;
    $kills++;
    $a->signal('redis', 'KILL');
    $a->start('redis');
    Weir::Fleet::ready($_) for $a, $b;
});

is($kills, 3, 'Redis is killed');
cmp_ok($n->{503}, '>', 0, 'some requests are undecided');
cmp_ok($n->{200}, '<=', 2000, 'none too many gets in');
cmp_ok($n->{200}, '>=', 2000 - $n->{503}, 'nor too few');
is(used('quota', 'redis'), 2000, 'all is used');


# a reload in the middle: old and new processes decide together

$n = flood('reload', sub {
    $a->signal('nginx', 'HUP') if $_[0] % 500 == 0 && $_[0] <= 1500;
});
is($n->{200}, 2000, 'a reload: exactly as many');
Weir::Fleet::ready($a);


# A client leaves while its request is decided.  Where the body of a request
# counts too, what was charged before is given back.

my $body = '{"request":{"model":"m","messages":[{"role":"user",'
           . '"content":"Hi"}]}}';

sub leave {
    my ($key, $on) = @_;

    my $name = Weir::Fleet::name('limit', 'early', $key);

    $proxy->forget;
    $proxy->rules({ on => $on, with => $name, keep => 1, times => 1 });

    my $c = $a->request("/api/v1/jobs?k=$key", body => $body);
    ok($proxy->wait_command(5, $on, $name), 'it is asked');
    undef $c;
    $a->wait_for(5, sub {
        $a->log('nginx') =~ /client prematurely closed.*k=\Q$key\E/
        || Weir::Fleet::metric($a, 'waiting') == 0;
    }, 'the client is gone');
    $proxy->rules;
}

leave('look', 'MGET');
$a->wait_for(5, sub { Weir::Fleet::metric($a, 'waiting') == 0 }, 'decided');
is(used('early', 'look'), 0, 'gone before the decision: not charged');

leave('exec', 'EXEC');
$a->wait_for(5, sub { used('early', 'exec') == 0 }, 'it is given back');
ok($proxy->wait_command(5, 'SET', Weir::Fleet::name('limit', 'early', 'exec')),
   'after it was charged');
is(scalar(grep { $_->[0] eq 'SET'
                 && $_->[1] eq Weir::Fleet::name('limit', 'early', 'exec') }
          $proxy->commands), 2, 'charged, and given back');

$b->end;
$a->end;
$proxy->stop;

done_testing();
