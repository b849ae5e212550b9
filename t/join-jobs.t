# Jobs that ask the same share one run, and everything else is their own: id,
# webhook, deadline, metadata, cancel.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time);
use Weir::Askers;
use Weir::Receiver;
use Weir::Stack;

my $SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

my %o = (processes => 2, http => 'weir_webhook_allow 127.0.0.0/8;');

my $near = cached_stack(%o, worker => 'attempts = 1',
    worker_more => "webhook {\n    allow = \"127.0.0.0/8\"\n}\n");
$near->start;

my $far = another_edge($near, %o);
$far->start('nginx');

my $receiver = Weir::Receiver->new(dir => $near->dir);


sub object { decode_json($_[0]->body) }


sub get {
    my ($edge, $id, @headers) = @_;

    return object($edge->ask("/v1/jobs/$id", headers => \@headers,
                             timeout => 20));
}


sub run_of {
    my ($id) = @_;

    return $near->redis('HGET', 'weir:{0}:job:' . $id =~ s/^job_//r, 'run');
}


# each has its own id and metadata, and the same answer

my @jobs = map { job($_ % 2 ? $far : $near, '[[mock tag=own delay=1000]] Hi',
                     with => { metadata => { n => $_ } }) } 1 .. 6;
ask_all(5, @jobs);
is(status_of(@jobs), 202, 'own: all are taken');

my @ids = map { object($_)->{id} } @jobs;
my %ids = map { $_ => 1 } @ids;
is(scalar(keys %ids), 6, 'own: six ids');

my %runs = map { run_of($_) => 1 } @ids;
is(scalar(keys %runs), 1, 'own: one run');

my ($run) = keys %runs;
is($near->ask("/v1/jobs/job_$run")->status, 404, 'own: which is no job');
is($near->ask("/v1/jobs/job_$run", method => 'DELETE')->status, 404,
   'own: and cannot be cancelled');

$near->wait_for(5, sub { get($near, $ids[0])->{status} eq 'in_progress' },
             'in progress');
is(join(' ', map { get($far, $_)->{status} } @ids), join(' ', ('in_progress') x 6),
   'own: all are in progress');

my $list = object($near->ask('/v1/jobs?limit=50'));
is(join(' ', sort map { $_->{id} } @{ $list->{data} }), join(' ', sort @ids),
   'own: all are listed, and nothing else');
is(scalar(grep { $_->{status} eq 'in_progress' } @{ $list->{data} }), 6,
   'own: in progress there too');

my @done = map { get($near, $_, 'Prefer: wait=10') } @ids;
is(join(' ', map { $_->{status} } @done), join(' ', ('completed') x 6),
   'own: all are completed');
is(join(' ', map { $_->{metadata}{n} } @done), '1 2 3 4 5 6', 'own: metadata');
is(scalar(grep { $_->{result}{choices}[0]{message}{content} =~ /Hi/ } @done),
   6, 'own: the answer');
is($near->calls('own'), 1, 'own: one call');

my $etag = $near->ask("/v1/jobs/$ids[0]")->header('ETag');
is($far->ask("/v1/jobs/$ids[0]",
           headers => ["If-None-Match: $etag"])->status, 304, 'own: 304');


# who waits has it at once

@jobs = map { job($_ % 2 ? $far : $near, '[[mock tag=wait delay=800]] Hi',
                  headers => ['Prefer: wait=10']) } 1 .. 6;
ask_all(10, @jobs);
is(status_of(@jobs), 200, 'wait: all are answered');
is(scalar(grep { object($_)->{status} eq 'completed' } @jobs), 6,
   'wait: completed');
cmp_ok(max(map { $_->elapsed } @jobs), '<', 1.6,
       'wait: not by a re-check');
is($near->calls('wait'), 1, 'wait: one call');


# stored: a job, and finished at once

my $hit = job($near, '[[mock tag=wait delay=800]] Hi', with => { metadata =>
              { mine => 1 } });
ask_all(5, $hit);
is($hit->status, 202, 'hit: 202');
is(object($hit)->{status}, 'completed', 'hit: finished');
like($hit->header('Cache-Status'), qr/^weir; hit; ttl=\d+$/, 'hit: it says so');

my $id = object($hit)->{id};
my $again = get($far, $id);
is($again->{status}, 'completed', 'hit: it can be fetched');
is($again->{metadata}{mine}, 1, 'hit: its metadata');
is($again->{cached}, JSON::PP::true, 'hit: cached');
like($again->{result}{choices}[0]{message}{content}, qr/Hi/, 'hit: the answer');
is($near->ask("/v1/jobs/$id", method => 'DELETE')->status, 409,
   'hit: nothing to cancel');
is(object($near->ask('/v1/jobs?limit=1'))->{data}[0]{id}, $id, 'hit: listed');

$hit = job($near, '[[mock tag=wait delay=800]] Hi', headers => ['Prefer: wait=5']);
ask_all(5, $hit);
is($hit->status, 200, 'hit: who waits gets 200');
my $same = $far->ask('/v1/jobs/' . object($hit)->{id});
is($same->body, $hit->body, 'hit: the same bytes as later');
is($same->header('ETag'), $hit->header('ETag'), 'hit: the same ETag');
is($near->redis('DEL', 'weir:{0}:run:' . run_of(object($hit)->{id})), 1,
   'hit: its run is forgotten');
is($far->ask('/v1/jobs/' . object($hit)->{id})->body, $hit->body,
   'hit: and still the same bytes');
is(object($hit)->{result}{id}, object($jobs[0])->{result}{id},
   'hit: the result is that of the run');
is($hit->header('Age') =~ /^\d+$/, 1, 'hit: Age');
is($near->calls('wait'), 1, 'hit: no call');


# jobs and held requests share a run

my @mixed = ((map { job($near, '[[mock tag=mixed delay=800]] Hi',
                        headers => ['Prefer: wait=10']) } 1 .. 3),
             (map { chat($far, '[[mock tag=mixed delay=800]] Hi') } 1 .. 3));
ask_all(10, @mixed);
is(status_of(@mixed), 200, 'mixed: all are answered');
is($near->calls('mixed'), 1, 'mixed: one call');


# webhooks: each its own

sub hooked {
    my ($name) = @_;

    my $c = job($near, '[[mock tag=hook delay=500]] Hi', with => { webhook =>
                { url => $receiver->url("ok/$name"), secret => $SECRET } });
    ask_all(5, $c);
    return object($c)->{id};
}

my %told = map { $_ => hooked("h$_") } 1 .. 3;
get($near, $told{1}, 'Prefer: wait=10');
$told{4} = hooked('h4');                        # it is stored

for my $n (1 .. 4) {
    $near->wait_for(15, sub { $receiver->got("h$n") }, "webhook $n");
    my ($got) = $receiver->got("h$n");
    is(decode_json($got->{body})->{data}{id}, $told{$n},
       "hook: $n has his own");
}

is($near->calls('hook'), 1, 'hook: one call');


# one is cancelled: the others go on

@ids = map { my $c = job($near, '[[mock tag=one delay=1500]] Hi');
             ask_all(5, $c); object($c)->{id} } 1 .. 3;
$near->wait_for(5, sub { $near->calls('one') }, 'it runs');
is($far->ask("/v1/jobs/$ids[0]", method => 'DELETE')->status, 200,
   'one: the leader is cancelled');
is(get($near, $ids[0])->{status}, 'cancelled', 'one: at once');
is(get($near, $ids[1], 'Prefer: wait=10')->{status}, 'completed',
   'one: the others are completed');
is(get($near, $ids[0])->{status}, 'cancelled', 'one: it stays so');
is($near->calls('one'), 1, 'one: one call');


# all are: the call is cut

@ids = map { my $c = job($near, '[[mock tag=all delay=8000]] Hi');
             ask_all(5, $c); object($c)->{id} } 1 .. 3;
$near->wait_for(5, sub { $near->calls('all') }, 'it runs');
my $all = run_of($ids[0]);
is($near->ask("/v1/jobs/$_", method => 'DELETE')->status, 200, 'all: cancelled')
    for @ids;
my $cut = time;
$near->wait_for(3, sub { ($near->redis('HGET', "weir:{0}:run:$all", 'fin') // '')
                      =~ /^cancelled:/ }, 'the run is cancelled');
cmp_ok(time - $cut, '<', 1, 'all: the run is cut within a second');

my $c = job($near, '[[mock tag=all delay=8000]] Hi');
ask_all(5, $c);
isnt(run_of(object($c)->{id}), $all, 'all: who asks then starts another');
is($near->ask('/v1/jobs/' . object($c)->{id}, method => 'DELETE')->status, 200,
   'all: cancelled');


# the leader's deadline passes, the follower is served

my $short = job($near, '[[mock tag=dead delay=5000]] Hi',
                with => { deadline => int(time) + 2 });
ask_all(5, $short);
my $long = job($far, '[[mock tag=dead delay=5000]] Hi');
ask_all(5, $long);
is(get($near, object($short)->{id}, 'Prefer: wait=20')->{status}, 'expired',
   'deadline: the leader has expired');
is(get($near, object($long)->{id}, 'Prefer: wait=20')->{status}, 'completed',
   'deadline: the follower is completed');
is($near->calls('dead'), 1, 'deadline: one call');


# a run that fails: all who have a job are told

@jobs = map { job($_ % 2 ? $far : $near, '[[mock tag=fails status=500 delay=600]] Hi',
                  headers => ['Prefer: wait=10']) } 1 .. 4;
ask_all(10, @jobs);
is(join(' ', map { object($_)->{status} } @jobs), join(' ', ('failed') x 4),
   'fails: all have failed');
is($near->calls('fails'), 1, 'fails: one call');


# what has a time or a key of its own is its own

for (['run_at', with => { run_at => int(time) + 1 }],
     ['key', headers => ['Idempotency-Key: k1']])
{
    my ($name, @o) = @$_;

    $c = job($near, "[[mock tag=$name]] Hi", @o);
    ask_all(5, $c);
    is(run_of(object($c)->{id}), object($c)->{id} =~ s/^job_//r,
       "$name: a run of its own");
    is(get($near, object($c)->{id}, 'Prefer: wait=10')->{status}, 'completed',
       "$name: completed");

    my $next = chat($near, "[[mock tag=$name]] Hi");
    ask_all(5, $next);
    like($next->header('Cache-Status'), qr/^weir; hit;/,
         "$name: but its answer is stored");
    is($near->calls($name), 1, "$name: one call");
}

nothing_left($near);

$far->end;
$near->end;

done_testing();
