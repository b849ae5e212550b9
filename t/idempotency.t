# Idempotency-Key: one job for each owner, route and key, whatever happens to
# the requests (AP-06 to AP-11).

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(
    location => 'weir_api;',
    weir_redis => 'timeout=800ms',
    worker => 'attempts = 1',
    server => '
        location /off/ { weir_api; weir_idempotency off; }
        location /must/ { weir_api; weir_idempotency required ttl=1m; }');

$stack->start;


sub body {
    my ($text, %more) = @_;

    return encode_json({ request => { model => 'mock-1', messages => [
        { role => 'user', content => $text } ] }, %more });
}


sub chat {
    my ($text) = @_;

    return encode_json({ model => 'mock-1', messages => [
        { role => 'user', content => $text } ] });
}


sub jobs {
    my ($key, $text, %o) = @_;

    my @headers = map { "Idempotency-Key: $_" } ref $key ? @$key : $key;
    push @headers, @{ delete $o{headers} // [] };

    return $stack->request($o{path} // '/v1/jobs', body => body($text),
                           headers => \@headers, %o);
}


sub done {
    my ($c) = @_;

    $c->wait(10) or die 'no answer';
    return $c;
}


sub chats {
    my ($key, $text, %o) = @_;

    return $stack->request('/v1/chat/completions', body => chat($text),
                           headers => ["Idempotency-Key: $key"], %o);
}


# AP-06: fifty at once, as jobs and held

my @c = map { jobs('fifty', '[[mock tag=fifty]] x') } 1 .. 50;
Weir::Client::wait_all(20, @c);

my %ids = map { (decode_json($_->body)->{id} // '-') => 1 } @c;
is(scalar(grep { $_->status == 202 } @c), 50, '50 jobs: all 202');
is(scalar keys %ids, 1, 'one job');
is(scalar(grep { !$_->header('Idempotent-Replayed') } @c), 1,
   'one is the original');
is(scalar(keys %{{ map { $_->body => 1 } @c }}), 1, 'all bodies are the same');

@c = map { chats('chat', '[[mock tag=chat50 delay=300]] x') } 1 .. 50;
Weir::Client::wait_all(20, @c);
is(scalar(grep { $_->status == 200 } @c), 50, '50 chats: all 200');
is(scalar(keys %{{ map { $_->body => 1 } @c }}), 1, 'one answer');
is($stack->calls('chat50'), 1, 'the model was asked once');


# AP-07: afterwards

my $first = $c[0];
my $c = done(chats('chat', '[[mock tag=chat50 delay=300]] x'));
is($c->status, 200, 'a replay: the same status');
is($c->body, $first->body, 'the same body');
is($c->header('Idempotent-Replayed'), 'true', 'and it says so');
is($c->header('X-Weir-Job'), $first->header('X-Weir-Job'), 'the same job');

my $job = done(jobs('later', 'hello'));
is($job->header('Idempotent-Replayed'), undef, 'the first is no replay');
my $id = decode_json($job->body)->{id};
$stack->wait_for(10, sub {
    $stack->ask("/v1/jobs/$id")->body =~ /"status":"completed"/
}, 'the job');

$c = done(jobs('later', 'hello'));
is($c->status, 202, 'a job that is done: still 202');
is($c->body, $job->body, 'the same body');
is($c->header('Location'), $job->header('Location'), 'the same place');

$c = done(jobs('later', 'hello', headers => ['Prefer: wait=5']));
is($c->status, 200, 'who waits sees the end');
is(decode_json($c->body)->{id}, $id, 'of that job');
is($c->header('Idempotent-Replayed'), 'true', 'as a replay');


# AP-08: another request

$c = done(jobs('later', 'hello!'));
is($c->status, 422, 'another body: 422');
like($c->header('Content-Type'), qr{problem\+json}, 'a problem');
like($c->body, qr/key-reused/, 'with its type');
$c = done(chats('chat', 'other'));
is($c->status, 422, 'in the other dialect too');
is(decode_json($c->body)->{error}{code}, 'idempotency_key_reused', 'code');
is(decode_json(done(jobs('later', 'hello'))->body)->{id}, $id,
   'the key is as it was');

$c = done($stack->request('/v1/jobs', headers => ['Idempotency-Key: later'],
    body => '{ "request": {"messages": [{"content":"hello","role":"user"}], '
            . ' "model":"mock-1"}}'));
is($c->status, 202, 'the order of members does not matter');


# AP-09, scope: owner, route

my $bob = done($stack->request('/v1/jobs', body => body('hello!'),
    no_key => 1, headers => ['Authorization: Bearer ' . $stack->{other_key},
                             'Idempotency-Key: later']));
is($bob->status, 202, 'the same key of another owner');
isnt(decode_json($bob->body)->{id}, $id, 'is another job');
is(done(chats('later', 'hello'))->status, 200, 'another route: another job');


# AP-10: with quotes and without

$c = done(jobs('"quoted"', 'q'));
is($c->header('Idempotent-Replayed'), undef, 'with quotes');
$id = decode_json($c->body)->{id};
$c = done(jobs('quoted', 'q'));
is(decode_json($c->body)->{id}, $id, 'without: the same');
is(decode_json(done(jobs('"a\\"b"', 'q'))->body)->{id},
   decode_json(done(jobs('a"b', 'q'))->body)->{id}, 'an escape');


# what is no key

for my $bad ('', '""', '"a', 'x' x 256, "\xc3\xa4", '"a"b"', '"a\\b"') {
    next if $bad eq '"a';               # without its end it is a plain one
    is(done(jobs($bad, 'x'))->status, 400,
       "refused: '" . substr($bad, 0, 10) . "'");
}

is(done(jobs('x' x 255, 'x'))->status, 202, '255 characters');
is(done(jobs(['a', 'a'], 'x'))->status, 400, 'sent twice');


# off, required

$c = done(jobs('later', 'something else', path => '/off/v1/jobs'));
is($c->status, 202, 'off: the key is not looked at');
$c = done($stack->request('/must/v1/jobs', body => body('x')));
is($c->status, 400, 'required, and missing');
like($c->body, qr/Idempotency-Key is required/, 'it says so');
$c = done(jobs('must', 'x', path => '/must/v1/jobs'));
is($c->status, 202, 'required, and there');


# a failure that asks for another try is not kept; one that does not is

$c = done(chats('fails', '[[mock tag=fails status=503 times=1]] x'));
cmp_ok($c->status, '>=', 500, 'a failure');
is($c->header('Idempotent-Replayed'), undef, 'of its own');
$c = done(chats('fails', '[[mock tag=fails status=503 times=1]] x'));
is($c->status, 200, 'the same key again: asked again');
is($c->header('Idempotent-Replayed'), undef, 'not a replay');
$c = done(chats('fails', '[[mock tag=fails status=503 times=1]] x'));
is($c->status, 200, 'and then kept');
is($c->header('Idempotent-Replayed'), 'true', 'as a replay');
is($stack->calls('fails'), 2, 'two calls in all');

$c = done(chats('bad', '[[mock tag=bad status=400]] x'));
is($c->status, 400, 'a refusal');
$c = done(chats('bad', '[[mock tag=bad status=400]] x'));
is($c->status, 400, 'is kept');
is($stack->calls('bad'), 1, 'and not asked again');


# AP-11: it was reserved, and then nothing came

sub idem_keys { @{ $stack->redis('KEYS', 'weir:{0}:idem:*') } }

my %before = map { $_ => 1 } idem_keys();
done(jobs('torn', 'torn'));
my ($key) = grep { !$before{$_} } idem_keys();
my $value = $stack->redis('HGET', $key, 'job:1');
my ($ghost) = ('00' . 'Z' x 22);
my ($fingerprint) = $value =~ / (\S+)$/;

cmp_ok($stack->redis('TTL', $key), '>', 86000, 'the key has its time');

my $now = int(time * 1000);
$stack->redis('HSET', $key, 'job:1', "$ghost " . ($now + 500)
                                     . " $fingerprint");
$c = done(jobs('torn', 'torn'));
is($c->status, 202, 'a reservation without a job is replaced');
is($c->header('Idempotent-Replayed'), undef, 'by a job of its own');
cmp_ok($c->elapsed, '>', 1, 'but not before its time is over');
like($stack->redis('HGET', $key, 'job:2'), qr/^00/, 'as the second of the key');
my $second = decode_json($c->body)->{id};
is(decode_json(done(jobs('torn', 'torn'))->body)->{id}, $second,
   'which it stands for from then on');


# the job was given up: the client was told 503, and tries again

$stack->signal('redis', 'STOP');
$c = jobs('lost', 'lost', headers => []);
$c->wait(5);
is($c->status, 503, 'Redis does not answer');
$stack->signal('redis', 'CONT');
my @again = map { jobs('lost', '[[mock tag=lost]] y') } 1 .. 5;
Weir::Client::wait_all(10, @again);
is(scalar(grep { $_->status == 202 } @again), 5, 'it does: 202 for all')
    or diag join ' ', map { $_->status } @again;
%ids = map { decode_json($_->body)->{id} => 1 } @again;
is(scalar keys %ids, 1, 'for one job');
$stack->wait_for(10, sub { $stack->calls('lost') }, 'its call');
is($stack->calls('lost'), 1, 'which runs once');

done_testing();
