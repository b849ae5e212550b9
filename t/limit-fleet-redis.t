# Limits over the fleet while Redis is away (RL-22), swallows everything
# (RL-23), stands still (RL-24), loses answers, or has its clock set (RL-27).

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Fleet;
use Weir::Flood;

my ($a, $b) = Weir::Fleet::pair(
    processes => 1,
    redis => "enable-debug-command local\n",
    http => 'weir_limit_zone $arg_k zone=f:1m quota=5/month scope=fleet;
             weir_limit_zone $arg_k zone=g:1m quota=5/month scope=fleet;
             weir_limit_zone $arg_k zone=r:1m rate=3600r/h burst=4
                             scope=fleet;',
    location => 'return 404;',
    server => 'location = /deny { weir_limit zone=f on_error=deny;
                                  return 200; }
               location = /allow { weir_limit zone=f on_error=allow;
                                   return 200; }
               location = /local { weir_limit zone=f on_error=local;
                                   return 200; }
               location = /mixed { weir_limit zone=f on_error=allow;
                                   weir_limit zone=g on_error=deny;
                                   return 200; }
               location = /dry { weir_limit zone=f on_error=deny dry_run;
                                 return 200; }
               location = /rate { weir_limit zone=r on_error=deny;
                                  return 200; }');

$a->start('redis');

my $timeout = 1;
my $soon = 0.4;                         # on a loaded machine too
my $proxy = Weir::Fleet::behind_proxy($a, 'timeout=1s connect_timeout=1s');

$a->start('nginx');
$b->start('nginx');
Weir::Fleet::ready($_) for $a, $b;


sub get {
    my ($path) = @_;

    return $a->ask($path, no_key => 1);
}


sub timeouts {
    return get('/m')->body =~ /^weir_redis_timeouts_total (\d+)$/m ? $1 : -1;
}


sub used { Weir::Fleet::used($a, @_) }
sub metric { Weir::Fleet::metric($a, @_) }

sub name { Weir::Fleet::name('limit', @_) }


# Redis is not there

sub away {
    my ($how) = @_;

    for my $try (1 .. 3) {
        my $c = get("/deny?k=$how");
        is($c->status, 503, "$how, deny: 503");
        cmp_ok($c->elapsed, '<', $soon, 'at once');
        like($c->header('Retry-After'), qr/^[1-9]\d*$/, 'with Retry-After');
        is($c->header('Content-Type'), 'application/problem+json', 'a problem');
        like(decode_json($c->body)->{type}, qr/#temporary-reduced-capacity$/,
             'of the right type');

        $c = get("/allow?k=$how");
        is($c->status, 200, "$how, allow: 200");
        cmp_ok($c->elapsed, '<', $soon, 'at once');

        is(get("/mixed?k=$how")->status, 503, "$how: one denies, and so it is");
        is(get("/dry?k=$how")->status, 200, "$how: a dry run denies nobody");
    }

    is(get("/local?k=$how")->status, 200, "$how, local: 200") for 1 .. 5;
    is(get("/local?k=$how")->status, 429, "$how, local: this node counts")
        for 1, 2;
}

my $undecided = metric('undecided_total');

$a->signal('redis', 'KILL');
$a->wait_for(5, sub { metric('ready') == 0 }, 'the connection is lost');

# one request may still wait for the first new connection

$a->wait_for(5, sub { get('/deny?k=x')->status == 503 }, 'undecided');
away('gone');

cmp_ok(metric('undecided_total'), '>=', $undecided + 19, 'all are counted');
is(metric('waiting'), 0, 'nobody waits');

$a->start('redis');
Weir::Fleet::ready($_) for $a, $b;
is(get('/deny?k=gone')->status, 200, 'Redis is back');
is(used('f', 'gone'), 1, 'it knows nothing of what was undecided');


# it swallows everything: one request waits for the timeout, and nobody else

$proxy->mode(mute => 1);

my @held = map { $a->request("/deny?k=held$_", no_key => 1) } 1 .. 20;
ok(Weir::Client::wait_all(5, @held), 'a silent Redis: all are answered');
is(scalar(grep { $_->status == 503 } @held), 20, 'with 503');

for (@held) {
    cmp_ok($_->elapsed, '<', $timeout + $soon, 'none waits for longer');
}

away('silent');

$proxy->mode;
Weir::Fleet::ready($a);
is(get('/deny?k=silent')->status, 200, 'it answers again');
is(used('f', 'held1'), undef, 'what was undecided was not charged');


# the same from the start: a process that was never connected

$proxy->mode(mute => 1);
$a->stop('nginx');
$a->start('nginx');

my $c = get('/deny?k=start');
is($c->status, 503, 'never connected: undecided');
cmp_ok($c->elapsed, '<', $timeout + $soon, 'in time');
$a->wait_for(5, sub { get('/deny?k=start')->elapsed < $soon }, 'then at once');
$proxy->mode;
Weir::Fleet::ready($a);


# it stands still: other requests of the same process do not notice

sub socket_to_redis {
    return IO::Socket::UNIX->new(Peer => $a->dir . '/redis.sock')
           // die "redis: $!";
}


sub sleeps {
    my $s = socket_to_redis();

    syswrite $s, "PING\r\n";

    return !IO::Select->new($s)->can_read(0.1);
}


for my $how ('STOP', 'SLEEP') {
    my $s = socket_to_redis();

    if ($how eq 'STOP') {
        $a->signal('redis', 'STOP');

    } else {
        syswrite $s, "DEBUG SLEEP 3\r\n";
    }

    $a->wait_for(5, \&sleeps, 'Redis stands still');
    $undecided = metric('undecided_total');

    my @limited = map { $a->request("/local?k=s$how$_", no_key => 1) } 1 .. 50;

    my $n = Weir::Flood::flood(ports => [$a->port], path => '/static',
                               requests => 5000, connections => 16);
    is($n->{200}, 5000, "$how: static requests go on");
    cmp_ok($n->{slowest}, '<', $soon, 'none of them waits');

    ok(Weir::Client::wait_all(5, @limited), "$how: limits are answered");
    is(scalar(grep { $_->status == 200 } @limited), 50, 'by this node');
    is(metric('undecided_total'), $undecided + 50, 'and not by Redis');

    $a->signal('redis', 'CONT') if $how eq 'STOP';
    Weir::Fleet::ready($a);
}


# answers that get lost: of a look, it is looked again

$proxy->rules({ on => 'MGET', with => name('f', 'look'), times => 1,
                lose => 1 });
is(get('/deny?k=look')->status, 200, 'a look got lost: again');
is(used('f', 'look'), 1, 'charged once');

# of EXEC, nobody knows

Weir::Fleet::ready($a);
$proxy->rules({ on => 'EXEC', with => name('f', 'exec'), times => 1,
                lose => 1 });
is(get('/deny?k=exec')->status, 503, 'EXEC got lost: undecided');
is(used('f', 'exec'), 1, 'a charge that nobody used');

# it refuses: not done

Weir::Fleet::ready($a);

for my $error ('-OOM command not allowed', '-READONLY replica',
               '-NOPERM no permission', '-LOADING', '-ERR what')
{
    my ($word) = $error =~ /^-(\w+)/;

    $proxy->rules({ on => 'MGET', with => name('f', $word), times => 1,
                    reply => "$error\r\n" });
    is(get("/deny?k=$word")->status, 503, "$word: undecided");
    Weir::Fleet::ready($a);

    $proxy->rules({ on => 'SET', with => name('f', $word), times => 1,
                    queue => "$error\r\n" });
    is(get("/deny?k=$word")->status, 503, "$word to SET: undecided");
    is(used('f', $word), undef, 'nothing was charged');
    Weir::Fleet::ready($a);
    is(get("/deny?k=$word")->status, 200, 'and it goes on');
}

$proxy->rules;


# another edge is faster every time: it is tried again, and ends in time

my $meddler = sub {
    my ($times) = @_;

    $proxy->rules({ on => 'EXEC', with => name('f', 'busy'), times => $times,
                    reply => "*-1\r\n" });
};

my $aborted = metric('aborted_total');
$meddler->(5);
is(get('/deny?k=busy')->status, 200, 'aborted five times: decided in the end');
is(metric('aborted_total'), $aborted + 5, 'counted');
is(used('f', 'busy'), 1, 'charged once');

my $timeouts = timeouts();
$meddler->(100000);
$c = get('/deny?k=busy');
is($c->status, 503, 'aborted for ever: undecided');
cmp_ok($c->elapsed, '<', $timeout + $soon, 'in time');
cmp_ok($c->elapsed, '>=', $timeout - 0.05, 'not earlier');
is(timeouts(), $timeouts, 'the connection is good, and stays');
$proxy->rules;
is(get('/deny?k=busy')->status, 200, 'nobody meddles: decided');


# a key of the name that holds something else: as if it were not there

$a->redis('RPUSH', name('f', 'list'), 'x');
is(get('/deny?k=list')->status, 200, 'a state that is none: decided');
is(used('f', 'list'), 1, 'it is one now');


# Redis's clock is set back: a state of the future does not last for ever

my $us = int(time * 1e6);

$a->redis('SET', name('r', 'clock'), '5000000 ' . ($us + 86400_000_000));
is(get('/rate?k=clock')->status, 429, 'full, since tomorrow');
$a->wait_for(3, sub { get('/rate?k=clock')->status == 200 },
             'it leaks as of now');
cmp_ok(used('r', 'clock'), '<=', 5, 'as it should');

# set forward: it has leaked

$a->redis('SET', name('r', 'clock'), '5000000 ' . ($us - 86400_000_000));
is(join(' ', map { get('/rate?k=clock')->status } 1 .. 6),
   '200 200 200 200 200 429', 'full, yesterday');

$b->end;
$a->end;
$proxy->stop;

done_testing();
