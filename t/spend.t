# What a run may use is reserved before, and settled after it: RL-32 to RL-37.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    http => '
        weir_limit_zone $weir_owner zone=tokens:1m count=tokens
                        quota=10000/month scope=fleet;
        weir_limit_zone $weir_owner zone=rate:1m count=tokens rate=1000/m
                        scope=fleet;
        weir_limit_zone $weir_owner zone=out:1m count=output-tokens
                        quota=300/month scope=fleet;
        weir_limit_zone $weir_owner zone=in:1m count=input-tokens
                        quota=100/month scope=fleet;
        weir_limit_zone $weir_owner zone=small:1m count=tokens
                        quota=100/month scope=fleet;
        weir_limit_zone $weir_owner zone=cost:1m count=cost quota=0.01/month
                        scope=fleet;
        weir_limit_zone $weir_owner zone=jobs:1m count=jobs-at-once max=2
                        scope=fleet;
        weir_limit_zone $weir_owner zone=calls:1m quota=3/month;
        weir_limit_zone $weir_owner zone=heavy:1m quota=2/month scope=fleet;
        weir_class heavy model=big-*;
        weir_class heavy max_tokens=2000;',
    server => join('', map { "location /$_/ { weir_api;
                              weir_limit zone=$_; }\n" }
                           qw(tokens rate out in small cost jobs calls)) . '
        location /two/ { weir_api; weir_limit zone=calls;
                         weir_limit zone=small; }
        location /heavy/ { weir_api; weir_limit zone=heavy class=heavy; }
        location /three/ { weir_api; weir_limit zone=tokens;
                           weir_limit zone=small; }
        location /dry/ { weir_api; weir_limit zone=tokens dry_run;
                         weir_limit zone=jobs dry_run; }',
    location => 'weir_api;',
    worker_more => 'model "dear" {
                        provider = "mock"
                        input_price = 1
                        output_price = 100
                    }
                    model "big-1" {
                        provider = "mock"
                    }',
    worker => 'attempts = 1');

$stack->start;


sub body {
    my ($text, %more) = @_;

    return encode_json({ model => 'm', %more, messages => [
        { role => 'user', content => $text } ] });
}


sub chat {
    my ($where, $text, %more) = @_;

    return $stack->ask("/$where/v1/chat/completions",
                       body => body($text, %more), timeout => 20);
}


# how much of a zone is used, in whole units; undef: nothing is stored

sub used {
    my ($zone) = @_;

    my ($key) = @{ $stack->redis('KEYS', "weir:{0}:limit:$zone:*") };
    my $state = defined $key ? $stack->redis('GET', $key) : undef;

    return defined $state ? (split ' ', $state)[0] / 1e6 : undef;
}


# all is settled: no reservation is left, whatever became of the runs

sub settled {
    my ($what) = @_;

    $stack->wait_for(20, sub {
        !@{ $stack->redis('KEYS', 'weir:{0}:hold:*') }
        && !$stack->redis('ZCARD', 'weir:{0}:settle')
    }, "$what: settled");

    pass("$what: settled");
}


sub forget { $stack->redis('DEL', $_) for
             map { @{ $stack->redis('KEYS', "weir:{0}:$_:*") } }
                 qw(limit slots) }


# the price of models is known

$stack->wait_for(10, sub {
    $stack->ask('/v1/models')->body =~ /"dear"/;
}, 'the catalogue');


# RL-34: reserve 500, use 120

my $c = chat('tokens', '[[mock tokens=120]]', max_tokens => 500);
is($c->status, 200, 'reserved, and answered');

my $usage = decode_json($c->body)->{usage};
is($usage->{completion_tokens}, 120, 'it used 120');
settled('less than reserved');
is(used('tokens'), $usage->{total_tokens}, 'what was used is charged');

$c = chat('tokens', '[[mock tokens=1]]', max_tokens => 10);
settled('again');
is(used('tokens'), $usage->{total_tokens}
                   + decode_json($c->body)->{usage}{total_tokens},
   'and adds up');
like($c->header('x-ratelimit-remaining-tokens'), qr/^\d+$/,
     'the client is told');
is($c->header('x-ratelimit-limit-tokens'), 10000, 'of how much');


# RL-35: it used more than was reserved, because nobody said how much it may

forget();
$c = chat('small', '[[mock tokens=900]]');
is($c->status, 200, 'RL-33: no max_tokens, and more than all is estimated');
settled('more than reserved');
cmp_ok(used('small'), '>', 900, 'a debt');

$c = chat('small', '[[mock tokens=1]]', max_tokens => 1);
is($c->status, 429, 'the next one waits for it');
is($c->header('x-ratelimit-remaining-tokens'), 0, 'never negative');
is(decode_json($c->body)->{error}{code}, 'rate_limit_exceeded', 'its code');
like($c->body, qr/small/, 'the policy is named');
is($c->header('x-should-retry'), 'false', 'a month is too long to wait');


# what can never be

forget();
$c = chat('small', 'x', max_tokens => 200);
is($c->status, 429, 'more than the quota');
ok(!defined used('small') || used('small') == 0, 'consumes nothing');


# RL-32: 20 at once, each may use 200 of 1000

forget();
my @c = map { $stack->request('/rate/v1/chat/completions',
                  body => body('[[mock tokens=190 delay=300]]',
                               max_tokens => 200)) } 1 .. 20;
Weir::Client::wait_all(20, @c);
my $ok = grep { $_->status == 200 } @c;
cmp_ok($ok, '<=', 5, "RL-32: $ok at once");
cmp_ok($ok, '>=', 4, 'and no fewer than fit');
is(scalar(grep { $_->status == 429 } @c), 20 - $ok, 'the others: 429');
settled('a burst');
cmp_ok(used('rate'), '<=', 1000, 'and no more is charged than there is');


# input and output apart

forget();
is(chat('out', '[[mock tokens=250]]', max_tokens => 250)->status, 200,
   'output fits');
settled('output');
is(used('out'), 250, 'output alone is counted');
is(chat('out', 'x', max_tokens => 51)->status, 429, 'and is used up');
is(chat('in', 'x' x 300, max_tokens => 10000)->status, 200, 'input fits');
settled('input');
is(chat('in', 'x' x 300)->status, 429, 'input is used up');


# cost: 100 tokens at 100 dollars a million are a cent

forget();
$c = chat('cost', '[[mock tokens=50]]', model => 'dear', max_tokens => 50);
is($c->status, 200, 'half a cent');
settled('cost');
cmp_ok(used('cost'), '>=', 5000, 'in millionths of a dollar');
cmp_ok(used('cost'), '<', 5100, 'no more');
is(chat('cost', 'x', model => 'dear', max_tokens => 60)->status, 429,
   'another is too dear');
is(chat('cost', 'x', model => 'm', max_tokens => 60)->status, 200,
   'what costs nothing is not');


# jobs at once

forget();

sub job {
    my ($where, $text, %o) = @_;

    return $stack->ask("/$where/v1/jobs", %o,
                       body => encode_json({ request => decode_json(
                           body($text, max_tokens => 10)) }));
}

my @jobs = map { job('jobs', '[[mock hang]]') } 1 .. 2;
is_deeply([map { $_->status } @jobs], [202, 202], 'two jobs');

# a place that nobody gave back is free some time after the deadline

my ($slots) = @{ $stack->redis('KEYS', 'weir:{0}:slots:jobs:*') };
my %lease = @{ $stack->redis('ZRANGE', $slots, 0, -1, 'WITHSCORES') };

for (@jobs) {
    my $id = decode_json($_->body)->{id} =~ s/^job_//r;
    my $deadline = $stack->redis('HGET', "weir:{0}:run:$id", 'deadline');

    cmp_ok(abs($lease{$id} - $deadline - 60_000), '<', 5000,
           'a place has a lease');
}

$c = job('jobs', 'x');
is($c->status, 429, 'a third is refused');
cmp_ok($c->header('Retry-After'), '>=', 1, 'try again');
is(decode_json($c->body)->{'violated-policies'}[0], 'jobs', 'named');

my $id = decode_json($jobs[0]->body)->{id};
is($stack->ask("/jobs/v1/jobs/$id", method => 'DELETE')->status, 200,
   'one is cancelled');
$stack->wait_for(5, sub { job('jobs', 'x')->status == 202 },
                 'its place is free');
$id = decode_json($jobs[1]->body)->{id};
$stack->ask("/jobs/v1/jobs/$id", method => 'DELETE');
settled('jobs at once');
is_deeply($stack->redis('KEYS', 'weir:{0}:slots:*'), [], 'no place is taken');


# all or nothing, between the gate and the body

forget();
chat('small', '[[mock tokens=200]]');
settled('used up');
is(chat('two', 'x')->status, 429, 'refused for tokens') for 1 .. 5;
is(chat('calls', 'x')->status, 200, 'no call was counted') for 1 .. 3;
is(chat('calls', 'x')->status, 429, 'until they are');

forget();
is(chat('three', 'x', max_tokens => 150)->status, 429, 'one of two refuses');
ok(!used('tokens'), 'the other is not charged');


# a dry run is settled like any other

forget();
$c = chat('dry', '[[mock tokens=20]]', max_tokens => 9000);
is($c->status, 200, 'a dry run');
settled('a dry run');
is(used('tokens'), decode_json($c->body)->{usage}{total_tokens},
   'what was used is charged');
is_deeply($stack->redis('KEYS', 'weir:{0}:slots:*'), [], 'no place is taken');


# a class: by its model, or by what it may use

forget();
is(chat('heavy', 'x', model => 'big-1')->status, 200, 'heavy: the model');
is(chat('heavy', 'x', max_tokens => 2000)->status, 200, 'heavy: the tokens');
is(chat('heavy', 'x', max_tokens => 2000)->status, 429, 'no third');
is(chat('heavy', 'x', model => 'big')->status, 200, 'others go on')
    for 1 .. 3;


# what fails, or is cancelled, gives back

forget();
is(chat('tokens', '[[mock status=400]]', max_tokens => 500)->status, 400,
   'it fails');
settled('a failure');
is(used('tokens') // 0, 0, 'and is free');

$stack->stop('worker');
my $queued = job('tokens', 'x');
is($queued->status, 202, 'a job waits');
cmp_ok(used('tokens'), '>', 0, 'it is reserved');
$id = decode_json($queued->body)->{id};
$stack->ask("/tokens/v1/jobs/$id", method => 'DELETE');
$stack->start('worker');
settled('cancelled before it ran');
is(used('tokens') // 0, 0, 'and is free');

# an earlier request's job is not paid twice

my @again = map { job('tokens', '[[mock tokens=10]]',
                      headers => ['Idempotency-Key: k1']) } 1 .. 3;
is_deeply([map { $_->status } @again], [202, 202, 202], 'the same job');
settled('once');
cmp_ok(used('tokens'), '<', 25, 'paid once');

$stack->end;
done_testing;
