# A Redis for answers that lives, and answers after seconds: no request waits
# for it longer than its time, few do at all, jobs end as fast as ever, and
# when it is fast again it is used again.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use Weir::RedisProxy;
use Weir::Askers qw(chat);
use Weir::Stack;

my $TIMEOUT = 0.3;                  # s, of weir_cache_redis
my $SLOW = 1.5;                     # s, each of its answers takes then

my $own = Weir::Stack->new;
$own->start('redis');

my %proxy = map {
    $_ => Weir::RedisProxy->new(path => $own->dir . "/$_.sock",
                                to => $own->dir . '/redis.sock')
} qw(edge worker);

my $stack = Weir::Stack->new(
    processes => 1,
    http => 'weir_cache_zone answers 2m; weir_cache_redis unix:' . $own->dir
            . "/edge.sock timeout=300ms connect_timeout=300ms;",
    location => 'weir_api; weir_cache zone=answers;',
    server => 'location = /metrics { weir_metrics; }
               location = /readyz { weir_readyz; }',
    worker_more => 'cache_redis {
        address = "unix:' . $own->dir . '/worker.sock"
        timeout = 5s
    }');
$stack->keys;
$stack->start;
$stack->expect(qr/weir: (?:no answer from redis|redis connection)/);


sub metric { $stack->edge_metric(@_) }


sub looks { metric(qq(weir_cache_redis_lookups_total{result="$_[0]"})) }


# chats(TAG, N): as many at once, each of another question; s that the slowest
# took

sub chats {
    my ($tag, $n) = @_;

    my $began = time;
    my @c = map { chat($stack, "[[mock tag=$tag delay=50]] Number $_") }
            1 .. $n;
    my $worst = 0;

    for my $c (@c) {
        $c->wait(10);
        $worst = time - $began if time - $began > $worst;
    }

    is(join(' ', map { $_->status // '-' } @c), '200 ' x ($n - 1) . '200',
       "$tag: all are answered");
    is($stack->calls($tag), $n, "$tag: each was asked");

    note sprintf '%s: %.0f ms', $tag, $worst * 1000;
    return $worst;
}


sub connected {
    $stack->wait_for(20, sub { metric('weir_cache_redis_ready') }, 'nginx');
    $stack->wait_for(20, sub { $stack->metric('cache_redis_connected') == 2 },
                     'runners');
}


sub stored {
    my ($n) = @_;
    $own->wait_for(20, sub { $own->redis('ZCARD', 'weir:{0}:answers') >= $n },
                   "$n answers");
}


connected();
my $fast = chats('fast', 30);
stored(30);


# many at once while each answer takes its time: all wait, but not for that

$proxy{$_}->mode(delay => $SLOW) for keys %proxy;

my $worst = chats('slow', 30);
cmp_ok($worst, '<', $SLOW - 0.2, 'nobody waited for the answer');
cmp_ok(looks('late'), '>=', 1, 'it was waited for');
cmp_ok(looks('late'), '<=', 30, 'by those who were there');


# from now on nobody waits, whoever asks; nginx does other things meanwhile

my ($late, $end, $n, $slowest, $unready) = (looks('late'), time + 4, 0, 0, 0);

while (time < $end) {
    my $began = time;
    my $c = chat($stack, '[[mock tag=next]] Number ' . ++$n);

    $unready++ if $stack->ask('/readyz')->status != 200;
    $c->wait(10);
    $slowest = time - $began if time - $began > $slowest;
}

is($stack->calls('next'), $n, "all $n were asked");
is(looks('late'), $late, 'none of them waited: there is no connection');
cmp_ok($slowest, '<', $fast + 0.5, 'none was slow');
is($unready, 0, 'the node is ready all the time');


# what the worker has kept comes in its own time, and no job waits for it

stored(60);
pass('answers are kept all the same');
is($stack->metric('answers_not_kept_total'), 0, 'all of them');

my $jobs = 40;
my $began = time;
my @job = map {
    $stack->request('/v1/jobs', headers => ['Prefer: wait=5'],
        body => encode_json({ request => { model => 'mock-1', messages => [
            { role => 'user', content => "[[mock tag=job]] Number $_" }] } }))
} 1 .. $jobs;

$_->wait(10) for @job;
is(join(' ', map { $_->status // '-' } @job), '200 ' x ($jobs - 1) . '200',
   'jobs end');
cmp_ok(time - $began, '<', $SLOW - 0.2, 'as fast as ever');


# it greets, and is slow when it is asked: it is left alone for longer and
# longer

$proxy{edge}->mode;
connected();
$proxy{edge}->rules({ on => 'GET', keep => 1 });

($late, $end, $n) = (looks('late'), time + 6, 0);
my $waited = 0;

while (time < $end) {
    my $began = time;
    my $c = chat($stack, '[[mock tag=greets]] Number ' . ++$n);
    $c->wait(10);
    $waited++ if time - $began >= $TIMEOUT;
}

$late = looks('late') - $late;
cmp_ok($late, '>=', 1, "it was asked again: $late of $n waited");
cmp_ok($late, '<=', 4, 'but not often');
cmp_ok($waited, '<=', $late + 1, 'others did not wait');


# it is fast again

$proxy{edge}->rules;
$proxy{worker}->mode;
connected();

$stack->wait_for(40, sub {
    my $n = looks('none');
    chat($stack, '[[mock tag=any]] ' . time)->wait(10);
    return looks('none') > $n;
}, 'it is asked again');

$stack->end;
$own->end;

done_testing();
