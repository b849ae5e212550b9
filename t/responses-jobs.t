# Responses in the background: they survive their client, are polled, read as
# streams from any event on at any node, cancelled and deleted.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Responses;
use Weir::Stack;

my $true = JSON::PP::true;
my $false = JSON::PP::false;

my $stack = Weir::Stack->new(location => 'weir_api; weir_heartbeat 200ms;',
    worker => "attempts = 2\n    backoff = 100ms");

$stack->start;

my $edge = Weir::Stack->new(edge_of => $stack,
                            location => 'weir_api; weir_heartbeat 200ms;')
               ->start('nginx');

my $r = Weir::Responses->new($stack);


sub background {
    my ($plan, %o) = @_;

    my $c = $r->create("[[mock $plan]] Hi", background => $true, %o);
    is($c->status, 200, "$plan: accepted") or diag($c->body);

    return decode_json($c->body);
}


sub read_all {
    my ($id, %o) = @_;

    my $c = $r->follow($id, %o);
    ok($c->wait(20), 'a stream ends') or diag($c->body);
    is($c->status, 200, 'its status') or diag($c->body);

    return $r->events($c);
}


# what is left of a stream behind a number: a text that it is in from there on

sub behind {
    my ($n, @events) = @_;

    my @left;

    for (@events) {
        next if $_->{sequence_number} <= $n;
        my %e = %$_;

        if ($e{type} =~ /delta$/) {
            my $bytes = $e{sequence_number} - $n;
            $e{delta} = substr $e{delta}, -$bytes
                if $bytes < length $e{delta};
        }

        push @left, \%e;
    }

    return @left;
}


# as one text, however it was cut

sub merged {
    my @merged;

    for (@_) {
        my %e = %$_;

        if ($e{type} =~ /delta$/ && @merged && $merged[-1]{type} eq $e{type}) {
            $merged[-1]{delta} .= $e{delta};
            $merged[-1]{sequence_number} = $e{sequence_number};
            next;
        }

        push @merged, \%e;
    }

    return \@merged;
}


# accepted at once, polled, and the same as any

my $r1 = background('delay=700', metadata => { a => 'b' });
is($r1->{status}, 'queued', 'queued');
is($r1->{background}, $true, 'in the background');
is_deeply($r1->{output}, [], 'no output');
is($r1->{usage}, undef, 'no usage');

my $c = $r->get($r1->{id});
like(decode_json($c->body)->{status}, qr/^(?:queued|in_progress)$/, 'polled');
is($c->header('Cache-Control'), 'no-store', 'not to be kept');
is($c->header('ETag'), undef, 'no ETag');

$c = $r->get($r1->{id}, headers => ['Prefer: wait=10']);
my $done = decode_json($c->body);
is($done->{status}, 'completed', 'waited for') or diag($c->body);
is($done->{output}[0]{content}[0]{text}, 'Echo: Hi', 'its text');
is($done->{created_at}, $r1->{created_at}, 'created_at does not change');
is_deeply($done->{metadata}, { a => 'b' }, 'metadata');

my $job = $r1->{id} =~ s/^resp_/job_/r;
is(decode_json($stack->ask("/v1/jobs/$job")->body)->{status}, 'completed',
   'it is a job');
is((grep { $_->{id} eq $job }
    @{ decode_json($stack->ask('/v1/jobs')->body)->{data} }), 1, 'listed');
like($stack->ask("/v1/jobs/$job/events")->body, qr/event: done/,
     'with events');


# a stream of one that goes on: its client leaves, and comes again elsewhere

$c = $r->start('[[mock tag=bg tokens=12 every=150]] Hi', background => $true,
               stream => $true);
ok($c->wait(5, qr/response\.created/), 'the first event at once');
ok($c->wait(5, qr/output_text\.delta/), 'the first text');
my @seen = $r->events($c);
my $id = $seen[0]{response}{id};
is($seen[0]{response}{status}, 'queued', 'queued first');
$c->close;

my $at = $seen[-1]{sequence_number};
my $live = $r->follow($id, on => $edge, after => $at);
ok($live->wait(20), 'goes on at another node');
my @rest = $r->events($live);
is($r->text(@seen, @rest), 'tok ' x 12, 'nothing missed or twice');
is($rest[-1]{type}, 'response.completed', 'to its end');
$r->growing('both', @seen, @rest);
is($stack->calls('bg'), 1, 'one call');
is($stack->mock_calls('bg')->{aborted}, 0,
   'it was never hung up on');


# the first event does not wait for the first heartbeat

my $soonest = 9;

for (1 .. 3) {
    $c = $r->start('[[mock delay=3000]] Hi', background => $true,
                   stream => $true);
    ok($c->wait(5, qr/response\.created/), 'the first event');
    my ($took) = map { $_->[0] } $c->parts;
    $soonest = $took if $took < $soonest;
    $r->cancel($c->body =~ /"id":"(resp_\w+)"/);
    $c->close;
}

cmp_ok($soonest, '<', 0.15, 'at once');


# from every number on, from the entries and from the outcome, the same

sub every_number {
    my ($id, @whole) = @_;

    for my $from ('the entries', 'the outcome') {
        my $wrong = 0;

        for my $n (0 .. $whole[-1]{sequence_number}) {
            my $c = $r->follow($id, after => $n, on => $n % 2 ? $edge : $stack);
            $c->wait(10);
            my $got = merged($r->events($c));
            my $want = merged(behind($n, @whole));

            if (!eq_array($got, $want)) {
                $wrong++ or is_deeply($got, $want, "from $from, after $n");
            }
        }

        is($wrong, 0, "from $from, after every number");
        $stack->redis('DEL', 'weir:{0}:events:' . $id =~ s/^resp_//r);
    }
}

my @whole = read_all($id);
is_deeply(merged(@whole), merged(@seen, @rest), 'all of it');
every_number($id, @whole);

# of several items

for my $plan ('tool=weather tools=2 preface=2 args={"city":"Oslo"} pieces=3',
              'thinking=3 tokens=4')
{
    $c = $r->create("[[mock $plan every=20]] Hi", background => $true,
                    stream => $true, tools => [{ type => 'function',
                        name => 'weather', parameters => {} }]);
    my @live = $r->events($c);
    cmp_ok(scalar @{ $live[-1]{response}{output} }, '>=', 2, "$plan: items");
    $r->growing($plan, @live);
    every_number($live[0]{response}{id}, @live);
}


# resumed while it goes on, after every event that was seen

my $slow = background('tokens=10 every=200');
$live = $r->follow($slow->{id});
my @during;

for (1 .. 6) {
    ok($live->wait(5, sub {
        scalar(() = $_[0]->body =~ /^data: /mg) >= 2 * $_
    }), 'some more events');
    my @now = $r->events($live);
    push @during, [\@now, $r->follow($slow->{id}, on => $edge,
                                      after => $now[-1]{sequence_number})];
}

ok($live->wait(20), 'the first reader is through');
my @all = $r->events($live);

for (@during) {
    my ($now, $c) = @$_;
    ok($c->wait(20), 'so is one that came later');
    is_deeply(merged(@$now, $r->events($c)), merged(@all),
              'exactly what follows') or diag($c->body);
}


# ends other than completion

my $bad = background('status=400');
is($r->ends($bad->{id}, 'failed')->{error}{code}, 'invalid_prompt',
   'failed, with a code');
@all = read_all($bad->{id});
is_deeply([map { $_->{type} } @all], ['response.created', 'response.failed'],
          'as events');

$c = $r->create('[[mock status=400]] Hi', background => $true,
                stream => $true);
is($c->status, 200, 'a stream of it');
is(($r->events($c))[-1]{type}, 'response.failed', 'ends so');

# an attempt that fails in the middle: its readers get an error, who comes again
# gets all of the next one, under other numbers

$c = $r->start('[[mock tag=twice tokens=20 every=30 cut=body times=1]] Hi',
               background => $true, stream => $true);
ok($c->wait(20), 'cut in the middle');
my @cut = $r->events($c);
is($cut[-1]{type}, 'error', 'an error');
$id = $cut[0]{response}{id};
$r->ends($id, 'completed');
@all = read_all($id, after => $cut[-2]{sequence_number});
is($all[0]{type}, 'response.created', 'created anew');
cmp_ok($all[0]{sequence_number}, '>', $cut[-1]{sequence_number},
       'greater numbers');
is($r->text(@all), 'tok ' x 20, 'all of the text');
$r->growing('the second attempt', @cut, @all);

# who comes during the second attempt sees nothing of the first

$c = $r->start('[[mock tag=again tokens=20 every=100 cut=body times=1]] Hi',
               background => $true, stream => $true);
ok($c->wait(20), 'cut in the middle');
$id = ($r->events($c))[0]{response}{id};
$stack->wait_for(10, sub { $stack->calls('again') == 2 }, 'the second try');
@all = read_all($id, on => $edge);
is($r->text(@all), 'tok ' x 20, 'all of the second');
is($all[-1]{type}, 'response.completed', 'to its end');

# one that has said nothing is not seen at all

$c = $r->create('[[mock tag=quiet status=503 times=1]] Hi',
                background => $true, stream => $true);
@all = $r->events($c);
is($all[-1]{type}, 'response.completed', 'a try that said nothing');
my @again = read_all($all[0]{response}{id}, after => $all[1]{sequence_number});
is_deeply(merged(@again), merged(behind($all[1]{sequence_number}, @all)),
          'and its numbers are the same later')
    or diag(explain([\@again, \@all]));


# cancel

my $long = background('tag=long tokens=100 every=100');
$live = $r->follow($long->{id});
ok($live->wait(10, qr/output_text\.delta/), 'it runs');
$c = $r->cancel($long->{id});
is($c->status, 200, 'cancelled') or diag($c->body);
my $cancelled = decode_json($c->body);
is($cancelled->{status}, 'cancelled', 'the object says so');
is($cancelled->{id}, $long->{id}, 'its id');
$stack->wait_for(10, sub {
    $stack->mock_calls('long')->{aborted} == 1
}, 'the provider is hung up on');
ok($live->wait(10), 'its reader leaves');
is(($r->events($live))[-1]{type}, 'error', 'with an error');

is_deeply($r->doc($r->cancel($long->{id})), $r->doc($r->get($long->{id})),
          'again: as it is');
is_deeply($r->doc($r->cancel($r1->{id})), $done, 'a finished one: as it is');

my $held = $r->doc($r->create('Hi'));
$c = $r->cancel($held->{id});
is($c->status, 400, 'none of the background');
is(decode_json($c->body)->{error}{type}, 'invalid_request_error', 'an error');
is($r->cancel('resp_' . '0' x 24)->status, 404, 'none at all');
is($r->cancel($long->{id}, no_key => 1,
              headers => ["Authorization: Bearer $stack->{other_key}"])->status,
   404, "another's");


# delete

is($stack->ask("/v1/responses/$slow->{id}", method => 'DELETE', no_key => 1,
               headers => ["Authorization: Bearer $stack->{other_key}"])
       ->status, 404, "another's is not deleted");
$c = $stack->ask("/v1/responses/$held->{id}", method => 'DELETE');
is($c->status, 200, 'deleted');
is_deeply(decode_json($c->body), { id => $held->{id}, object => 'response',
                                   deleted => $true }, 'it says so')
    or diag($c->body);
is($r->get($held->{id})->status, 404, 'it is gone');
is($r->get($held->{id}, query => '?stream=true')->status, 404, 'as a stream');
is($r->cancel($held->{id})->status, 404, 'for cancel');
is($stack->ask("/v1/responses/$held->{id}", method => 'DELETE')->status, 404,
   'for deletion');
is($stack->redis('EXISTS', 'weir:{0}:outcome:' . $held->{id} =~ s/^resp_//r
                           . ':1000001'), 0, 'with what it said');

$c = $stack->ask("/v1/responses/$id", method => 'DELETE');
is($c->status, 200, 'one that was read is deleted');
is_deeply([grep { /:(?:outcome|events|request):/ }
           @{ $stack->redis('KEYS', '*' . $id =~ s/^resp_//r . '*') }], [],
          'nothing that it said is left');

my $busy = background('delay=3000');
$c = $stack->ask("/v1/responses/$busy->{id}", method => 'DELETE');
is($c->status, 409, 'one that goes on is not');
is($c->header('x-should-retry'), 'false', 'and not for seconds to come');
$r->cancel($busy->{id});


# what is not there

$c = $stack->ask("/v1/responses/$slow->{id}/input_items");
is($c->status, 404, 'input items');
like(decode_json($c->body)->{error}{message}, qr/not kept/, 'it says why');

for ('?stream=maybe', '?stream=true&starting_after=-1',
     '?stream=true&starting_after=x', '?stream=true&starting_after=')
{
    my $c = $r->get($slow->{id}, query => $_);
    is($c->status, 400, "$_: 400") or diag($c->body);
}

@all = read_all($slow->{id}, after => 9007199254740991);
is(scalar @all, 0, 'behind the end there is nothing');
is($r->get($slow->{id}, query => '?stream=true&starting_after=3',
           method => 'HEAD')->status, 200, 'HEAD');


# a queued one that is cancelled never runs

$stack->stop('worker');
my $queued = background('tag=never');
is($r->doc($r->get($queued->{id}))->{status}, 'queued', 'queued');
$c = $r->follow($queued->{id});
ok($c->wait(5, qr/response\.created/), 'a stream of it begins');
is($r->doc($r->cancel($queued->{id}))->{status}, 'cancelled', 'cancelled');
ok($c->wait(10), 'the stream ends');
$stack->start('worker');
$r->ends(background('tag=later')->{id}, 'completed');
is($stack->calls('never'), 0, 'it never ran');

$edge->end;
$stack->end;
done_testing();
