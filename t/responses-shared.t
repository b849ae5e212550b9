# Responses that share something: a run with others who ask the same, a key for
# requests, an operator who has them tried again; and what is lost on the way.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Responses;
use Weir::Stack;
use Weir::Tool;

my $true = JSON::PP::true;

my $cached = 'weir_api; weir_heartbeat 200ms; weir_cache zone=answers;';
my $s = Weir::Stack->new(
    http => 'weir_cache_zone answers 2m;', location => $cached,
    worker => "attempts = 1\n    lease = 3s", weir_redis => 'timeout=500ms',
    server => 'location /plain/ { weir_api; weir_heartbeat 200ms; }
               location /few/ { weir_api; weir_queue_limit owner=2; }');

$s->start;

my $r = Weir::Responses->new($s);

sub aborted { $s->mock_calls($_[0])->{aborted} }


# two in the background that ask the same: one run, read by each; one is
# cancelled, the other goes on

my $plan = '[[mock tag=two tokens=30 every=100]] Hi';
my @two = map { $r->doc($r->create($plan, background => $true,
                                   metadata => { n => "$_" })) } 1, 2;
isnt($two[0]{id}, $two[1]{id}, 'two responses');

my @live = map { $r->follow($_->{id}) } @two;
ok($_->wait(10, qr/output_text\.delta/), 'each is read') for @live;

is($r->doc($r->cancel($two[0]{id}))->{status}, 'cancelled', 'one is cancelled');
ok($live[0]->wait(10), 'its reader leaves');
is(($r->events($live[0]))[-1]{type}, 'error', 'with an error');
is(aborted('two'), 0, 'the call goes on');

ok($live[1]->wait(20), 'the other ends');
my @events = $r->events($live[1]);
is($r->text(@events), 'tok ' x 30, 'whole');
is($events[-1]{response}{metadata}{n}, '2', 'and is its own');
is($s->calls('two'), 1, 'one call');

my $middle = $events[10]{sequence_number};
my @rest = $r->events($r->get($two[1]{id},
                              query => "?stream=true&starting_after=$middle"));
is($r->text(@events[0 .. 10], @rest), 'tok ' x 30, 'and is read on later');

@two = map { $r->doc($r->create('[[mock tag=both tokens=100 every=100]] Hi',
                                background => $true)) } 1, 2;
$s->wait_for(10, sub { $s->calls('both') == 1 }, 'a run of both');
$r->cancel($_->{id}) for @two;
$s->wait_for(10, sub { aborted('both') == 1 },
             'when both are cancelled it ends');


# who leaves before the first word

my $c = $r->start('[[mock tag=early delay=20000]] Hi', stream => $true);
$s->wait_for(10, sub { $s->calls('early') == 1 }, 'it is asked');
$c->close;
$s->wait_for(10, sub { aborted('early') == 1 }, 'and hung up on');


# a key: the same response, in any form of the answer

my @key = (at => '/plain', headers => ['Idempotency-Key: k']);
my $first = $r->create('[[mock tag=key delay=600]] Hi', @key,
                       background => $true);
my $again = $r->create('[[mock tag=key delay=600]] Hi', @key,
                       background => $true);
is($again->status, 200, 'again');
is($again->header('Idempotent-Replayed'), 'true', 'replayed');
is($again->body, $first->body, 'what was said then');
my $id = $r->doc($first)->{id};
$r->ends($id, 'completed');
is($r->create('[[mock tag=key delay=600]] Hi', @key, background => $true)
       ->body, $first->body, 'so when it has ended');

@key = (at => '/plain', headers => ['Idempotency-Key: s']);
my @readers = map { $r->start('[[mock tag=key2 tokens=10 every=100]] Hi', @key,
                              background => $true, stream => $true) } 1 .. 3;
ok($_->wait(20), 'a stream for each') for @readers;
is($r->text($r->events($_)), 'tok ' x 10, 'all of it') for @readers;
is(scalar(keys %{ { map { ($r->events($_))[0]{response}{id} => 1 }
                    @readers } }), 1, 'of one response');
is($s->calls('key2'), 1, 'one call');

# a client that leaves its stream does not take it away from the next

@key = (at => '/plain', headers => ['Idempotency-Key: l']);
$c = $r->start('[[mock tag=key3 tokens=10 every=100]] Hi', @key,
               stream => $true);
ok($c->wait(10, qr/output_text\.delta/), 'left');
$c->close;
$c = $r->create('[[mock tag=key3 tokens=10 every=100]] Hi', @key,
                stream => $true);
is($r->text($r->events($c)), 'tok ' x 10, 'and asked again');
is($s->calls('key3'), 1, 'one call');


# caps

@two = map { $r->create('[[mock tag=cap delay=5000]] ' . $_, at => '/few',
                        background => $true) } 1 .. 3;
is_deeply([map { $_->status } @two], [200, 200, 429], 'a cap of unfinished');
ok($two[2]->header('Retry-After'), 'Retry-After');
is($r->doc($two[2])->{error}{type}, 'rate_limit_error', 'an error');
$r->cancel($r->doc($_)->{id}) for @two[0, 1];
is($r->create('Hi', at => '/few', background => $true)->status, 200,
   'cancelled ones count no more');


# an operator has it tried again: the new job is a response, too

$id = $r->doc($r->create('[[mock tag=op status=500 times=1]] Hi',
                         at => '/plain', background => $true,
                         metadata => { a => 'b' }))->{id};
$r->ends($id, 'failed');
my $t = Weir::Tool->new(redis => $s->dir . '/redis.sock');
my ($status, $new, $err) = $t->run(qw(jobs retry), $id =~ s/^resp_/job_/r);
is($status, 0, 'jobs retry') or diag($err);
chomp $new;
my $doc = $r->ends($new =~ s/^job_/resp_/r, 'completed');
is_deeply($doc->{metadata}, { a => 'b' }, 'with what it repeats');
is($r->doc($r->get($id))->{status}, 'failed', 'the old one is as it was');


# Redis is away: nothing is said that is not so

$c = $r->create('[[mock tokens=5]] Hi', background => $true);
$id = $r->doc($c)->{id};
$r->ends($id, 'completed');
$s->signal('redis', 'STOP');
for (['GET', ''], ['GET', '?stream=true'], ['POST', '/cancel'],
     ['DELETE', ''])
{
    my ($method, $path) = @$_;
    my $c = $s->ask("/v1/responses/$id$path", method => $method);
    is($c->status, 503, "$method $path without Redis: 503");
    ok($c->header('Retry-After'), 'Retry-After');
    is($r->doc($c)->{error}{type}, 'server_error', 'an error');
}
$c = $r->create('x', background => $true);
is($c->status, 503, 'none is taken');
$s->signal('redis', 'CONT');
$s->wait_for(10, sub { $r->get($id)->status != 503 }, 'Redis is back');

# the deletion that was not answered may have been done, or not: never half

$c = $r->get($id);
like($c->status, qr/^(?:200|404)$/, 'deleted or not');
is($r->doc($c)->{status}, 'completed', 'whole, if not') if $c->status == 200;


# connections to Redis that break while it is read

$s->wait_for(10, sub {
    $c = $r->start('[[mock tag=breaks tokens=40 every=100]] Hi',
                   background => $true, stream => $true);
    return $c->wait(10, qr/output_text\.delta|"unavailable"/)
           && $c->status == 200;
}, 'each process has Redis back, and it is read');
$id = ($r->events($c))[0]{response}{id};
my $other = $r->follow($id);
ok($other->wait(10, qr/output_text\.delta/), 'and read');

for my $n (1 .. 3) {
    my $seen = length $c->body;
    $s->redis('CLIENT', 'KILL', 'TYPE', $_, 'SKIPME', 'yes')
        for qw(normal pubsub);
    ok($c->wait(10, sub { length($_[0]->body) > $seen + 200 }),
       "it goes on, $n");
}

for ($c, $other) {
    ok($_->wait(20), 'to its end');
    is($r->text($r->events($_)), 'tok ' x 40, 'nothing missed or twice');
    is(($r->events($_))[-1]{type}, 'response.completed', 'completed');
}


# killed while it is read: readers go on, the response as well

$id = $r->doc($r->create('[[mock tag=kill tokens=40 every=100]] Hi',
                         background => $true))->{id};
$c = $r->follow($id);
ok($c->wait(10, qr/output_text\.delta/), 'read');
$s->kill_child('nginx') for 1, 2;
my @before = $r->events($c);
$c = $r->follow($id, after => $before[-1]{sequence_number});
ok($c->wait(20), 'read on, by another process');
@rest = $r->events($c);
is($r->text(@before, @rest), 'tok ' x 40, 'nothing missed or twice');
is($rest[-1]{type}, 'response.completed', 'to its end');
is($s->calls('kill'), 1, 'one call');

# its worker is killed in the middle: a reader is told, and who comes again gets
# all of the next try

$id = $r->doc($r->create('[[mock tag=crash tokens=30 every=100]] Hi',
                         background => $true))->{id};
$c = $r->follow($id);
ok($c->wait(10, qr/output_text\.delta.*output_text\.delta/s), 'read');
$s->signal('worker', 'KILL');
$s->start('worker');
ok($c->wait(30), 'its end');
@before = $r->events($c);
is($before[-1]{type}, 'error', 'is an error');
$c = $r->follow($id, after => $before[-2]{sequence_number});
ok($c->wait(30), 'read again');
@rest = $r->events($c);
is($rest[0]{type}, 'response.created', 'from the start');
is($r->text(@rest), 'tok ' x 30, 'all of it');
is($rest[-1]{type}, 'response.completed', 'to its end');
$r->growing('both', @before, @rest);


# nginx is told to take another configuration: what is read goes on

$id = $r->doc($r->create('[[mock tag=hup tokens=40 every=100]] Hi',
                         background => $true))->{id};
$c = $r->follow($id);
ok($c->wait(10, qr/output_text\.delta/), 'read');
my %old = map { $_ => 1 } $s->children('nginx');
$s->signal('nginx', 'HUP');
$s->wait_for(10, sub { grep { !$old{$_} } $s->children('nginx') },
             'new processes');
ok($c->wait(20), 'read to its end');
is($r->text($r->events($c)), 'tok ' x 40, 'by the old process');

$s->end;
done_testing();
