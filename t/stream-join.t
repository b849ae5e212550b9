# Streams of the same question: one run for all of them, whoever comes, leaves
# or asks for it whole; the cache has what was whole, and nothing else.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Askers qw(:DEFAULT what);
use Weir::Mock;
use Weir::RedisProxy;
use Weir::Stack;
use Weir::Streams qw(text);

my %o = (processes => 2, cache => 'stale_if_error=1s',
         server => 'location /brief/ { weir_api; weir_cache zone=answers;
                    weir_max_wait 2s; }');

my $near = cached_stack(%o, worker => "attempts = 2\n    backoff = 1s");
$near->start;

my $far = another_edge($near, %o);
$far->start('nginx');


sub stream {
    my ($edge, $text, %o) = @_;

    return chat($edge, $text, %o, more => { stream => JSON::PP::true,
                                            %{ $o{more} // {} } });
}


sub clean { $_[0]->body =~ /data: \[DONE\]\n\n$/ }
sub content { decode_json($_[0]->body)->{choices}[0]{message}{content} }

sub saved {
    my $n = 0;

    $n += $_->edge_metric('weir_cache_saved_tokens_total{kind="output"}')
        for @_;

    return $n;
}


sub codes { map { $_->{json}{error}{code} // $_->{json}{error}{type} }
            grep { ref $_->{json} && $_->{json}{error} }
            @{ events($_[0]->body)->{events} } }


sub open_streams {
    my $n = 0;

    for ($near, $far) {
        $n += $_->ask('/metrics')->body =~ /^weir_streams_open (\d+)$/m
              ? $1 : die 'no metric';
    }

    return $n;
}


# twenty at two nodes, of which the leader leaves

my $text = '[[mock tag=many tokens=30 every=100]] Hi';
my $leader = stream($near, $text);
ok($leader->wait(5, qr/tok/), 'the leader has a token');
my @all = map { stream($_ % 2 ? $near : $far, $text) } 1 .. 20;
ok($_->wait(5, qr/tok/), 'so has another') for @all[0 .. 2];
$leader->close;
ask_all(10, @all);
is(scalar(grep { text($_) ne 'tok ' x 30 || !clean($_) } @all), 0,
   'all have all of it');
is(scalar(grep { (() = $_->parts) < 8 } @all), 0, 'token by token');
is($near->calls('many'), 1, 'one call');
is(scalar(collapsed(@all)), 20, 'all have joined');
is(saved($near, $far), 20 * 30, 'what that saved is counted');


# of one whose outcome is too large to come with the message of its end

my $large = '[[mock tag=large size=200000 every=20 batch=500]] Hi';
$leader = stream($far, $large);
ok($leader->wait(5, qr/tok/), 'a large one has begun');
my $one = stream($far, $large);
ok($one->wait(5, qr/tok/), 'and is joined');
my $before = saved($far);
ask_all(20, $leader, $one);
is(length text($_), 200000, 'large: all of it') for $leader, $one;
is(scalar(collapsed($leader, $one)), 1, 'large: joined');
is(saved($far) - $before, 50000, 'large: what that saved');


# what is there now, as a stream and whole, at both

for my $edge ($near, $far) {
    my $c = stream($edge, $text);
    ok($c->wait(5), 'asked again');
    like(what($c), qr/; hit/, 'a hit');
    is(text($c), 'tok ' x 30, 'all of it');
    ok(clean($c), 'a clean end');

    $c = stream($edge, $text, more => { stream_options =>
        { include_usage => JSON::PP::true } });
    ok($c->wait(5), 'with usage');
    like(what($c), qr/; hit/, 'with usage: a hit');
    is(events($c->body)->{events}[-2]{json}{usage}{completion_tokens}, 30,
       'which it has');

    $c = chat($edge, $text);
    ok($c->wait(5), 'asked for whole');
    like(what($c), qr/; hit/, 'a hit');
    is(content($c), 'tok ' x 30, 'the same');
}

is($near->calls('many'), 1, 'still one call');


# all leave

$text = '[[mock tag=gone tokens=300 every=50]] Hi';
@all = map { stream($_ % 2 ? $near : $far, $text) } 1 .. 6;
ok($_->wait(5, qr/tok/), 'all leave: has a token') for @all;
$_->close for @all[0 .. 4];
$near->wait_for(5, sub { open_streams() == 1 }, 'one is left');
is($near->mock_calls('gone')->{aborted}, 0, 'all leave: but one');
my $left = time;
$all[5]->close;
$near->wait_for(5, sub { $near->mock_calls('gone')->{aborted} == 1 },
                'all leave: the provider is hung up on');
cmp_ok(time - $left, '<', 1.2, 'all leave: within a second');
$near->wait_for(5, sub { open_streams() == 0 }, 'no stream is open');


# and who asks then leads a run of his own

my $c = stream($near, $text);
ok($c->wait(5, qr/tok/), 'asked again: has a token');
is($near->calls('gone'), 2, 'asked again: another call');
$c->close;


# a stream behind one who wants it whole, and the other way round

$text = '[[mock tag=whole delay=1800 tokens=5]] Hi';
my $whole = chat($near, $text);
$near->wait_for(5, sub { $near->calls('whole') == 1 }, 'it leads');
$c = stream($far, $text);
ok($c->wait(5, qr/: ping/), 'whole: the stream has a heartbeat');
ok($_->wait(10), 'whole: the end') for $c, $whole;
is(text($c), 'tok ' x 5, 'whole: the stream has all');
ok(clean($c), 'whole: and a clean end');
is(content($whole), 'tok ' x 5, 'whole: the other, too');
is($near->calls('whole'), 1, 'whole: one call');

$text = '[[mock tag=led tokens=20 every=100]] Hi';
$c = stream($near, $text);
ok($c->wait(5, qr/tok/), 'led: a token');
$whole = chat($near, $text);
my $job = job($far, $text);
ok($job->wait(5), 'led: a job joins, too');
parked(2, $near, $far);
$c->close;
ok($whole->wait(10), 'led: the stream leaves, the other is answered');
is(content($whole), 'tok ' x 20, 'led: with all');
like(what($whole), qr/collapsed/, 'led: had joined');
is($near->calls('led'), 1, 'led: one call');


# a live stream fills the cache of its node at its clean end

$text = '[[mock tag=fill tokens=5 every=50]] Hi';
$c = stream($near, $text);
ok($c->wait(5), 'fill: the end');
unlike(what($c), qr/hit/, 'fill: a miss');
$c = chat($near, $text);
ok($c->wait(5), 'fill: again');
like(what($c), qr/; hit/, 'fill: a hit');
is(content($c), 'tok ' x 5, 'fill: the same');


# C3: what was truncated is not kept, nor gone on with

$text = '[[mock tag=cut tokens=20 every=50 cut=body times=1]] Hi';
@all = map { stream($near, $text) } 1 .. 3;
$whole = chat($near, $text);
ok($_->wait(10), 'C3: the end') for @all;
is(scalar(grep { clean($_) } @all), 0, 'C3: none is clean');
is(join(' ', map { codes($_) } @all), join(' ', ('upstream_truncated') x 3),
   'C3: all are told');
$c = stream($far, $text);
ok($c->wait(10), 'C3: asked again');
unlike(what($c), qr/hit/, 'C3: no hit');
is(text($c), 'tok ' x 20, 'C3: nothing of the first attempt');
ok(clean($c), 'C3: a clean end');
ok($whole->wait(10), 'C3: one who has seen nothing');
is(content($whole), 'tok ' x 20, 'C3: has it, too');
is($near->calls('cut'), 2, 'C3: two calls');


# one who has seen nothing yet has the second attempt

$text = '[[mock tag=over tokens=10 every=50 error=server_error after=0 times=1]] Hi';
$c = stream($near, $text);
ok($c->wait(10), 'over: the end');
is(text($c), 'tok ' x 10, 'over: the second attempt');
ok(clean($c), 'over: a clean end');


# not there in time: the job that is told of has it later

$text = '[[mock tag=late delay=4000 tokens=5]] Hi';
$c = $near->request('/brief/v1/chat/completions',
    body => question($text, stream => JSON::PP::true));
ok($c->wait(10), 'late: the end');
ok(!clean($c), 'late: no clean one');
my ($id) = $c->body =~ /(job_\w+)/;
ok($id, 'late: a job');
is(decode_json($near->ask("/v1/jobs/$id", headers => ['Prefer: wait=8'])
               ->body)->{status}, 'completed', 'late: which has it');
is($near->calls('late'), 1, 'late: one call');

# it is whole although Redis refuses to say what it took, or says nothing

my $proxy = Weir::RedisProxy->new(path => $near->dir . '/proxy.sock',
                                  to => $near->dir . '/redis.sock');
my $dim = another_edge($near, %o, processes => 1,
    weir_redis => 'unix:' . $near->dir . '/proxy.sock timeout=1s');
$dim->start('nginx');
my $asked = 0;

for (['refused', reply => "-ERR not now\r\n"], ['mute', mute => 1]) {
    my ($name, @how) = @$_;

    $text = "[[mock tag=$name size=200000 every=20 batch=500]] Hi";
    $leader = stream($near, $text);
    ok($leader->wait(5, qr/tok/), "$name: it has begun");
    $one = stream($dim, $text);
    ok($one->wait(5, qr/tok/), "$name: and is joined");
    $proxy->rules({ on => 'HGET', with => 'usage:1000001', @how });
    ask_all(20, $leader, $one);
    is(length text($one), 200000, "$name: all of it");
    ok(clean($one), "$name: a clean end");
    is($proxy->count('HGET', 'usage:1000001'), ++$asked,
       "$name: it was asked for");
    is(saved($dim), 0, "$name: not counted");
}

$dim->end;
$far->end;
$near->end;

done_testing();
