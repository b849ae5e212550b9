# POST /v1/responses from end to end: a request that OpenAI's clients send
# reaches the LLM as a chat completion, and what that says comes back as a
# response, whole or as numbered events; what is refused, and what is kept.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Responses;
use Weir::Stack;

my $true = JSON::PP::true;
my $false = JSON::PP::false;

my $stack = Weir::Stack->new(
    http => 'log_format seen "$uri $status route=$weir_route '
            . 'model=$weir_model status=$weir_status id=$weir_request_id";
             access_log seen.log seen;',
    location => 'weir_api; weir_heartbeat 200ms;', worker => 'attempts = 1',
    server => 'location /short/ { weir_api; weir_max_wait 2s; }
               location = /metrics { weir_metrics; }');

$stack->start;

my $other = $stack->{other_key};
my $r = Weir::Responses->new($stack);


sub asked { return decode_json($stack->mock('/mock/last')->body)->{json} }

sub metric { $stack->edge_metric(@_) }


# the object, member by member

my $c = $r->create('Hi', headers => ['X-Request-Id: from-the-client'],
                   metadata => { ticket => '7' }, instructions => 'Be brief.',
                   temperature => 0.5);

is($c->status, 200, 'answered') or diag($c->body);
is($c->header('Content-Type'), 'application/json', 'media type');
is($c->header('X-Request-Id'), 'from-the-client', 'X-Request-Id');
is($c->header('Cache-Control'), 'no-store', 'Cache-Control');
is($c->header('Content-Length'), length $c->body, 'length');

my ($id) = $c->header('X-Weir-Job') =~ /^job_(\w{24})$/;
my $first = decode_json($c->body);

is($first->{id}, "resp_$id", 'id: that of the job');
is_deeply([@$first{qw(object status model error incomplete_details
                      background previous_response_id)}],
          ['response', 'completed', 'mock-1', undef, undef, $false, undef],
          'members') or diag(explain($first));
is($first->{output}[0]{content}[0]{text}, 'Echo: Hi', 'the text');
is($first->{output}[0]{type}, 'message', 'of a message');
is($first->{instructions}, 'Be brief.', 'the instructions are repeated');
is($first->{temperature}, 0.5, 'and a parameter');
is_deeply($first->{metadata}, { ticket => '7' }, 'metadata');
cmp_ok($first->{usage}{output_tokens}, '>', 0, 'usage');
is($first->{store}, $true, 'it is stored');

my $asked = asked();
is_deeply([map { $_->{role} } @{ $asked->{messages} }], [qw(system user)],
          'instructions come first');
is($asked->{temperature}, 0.5, 'the parameter goes to the provider');
is($asked->{metadata}, undef, 'metadata does not');

$stack->wait_for(5, sub {
    Weir::Stack::slurp($stack->dir . '/seen.log')
        =~ m{^/v1/responses 200 route=responses model=mock-1 status=COMPLETED id=from-the-client$}m
}, 'the log knows its route and its id');


# kept: the same later, as a response and as a job

my $later = $r->get("resp_$id");
is($later->status, 200, 'it can be fetched');
is_deeply(decode_json($later->body), $first, 'and is the same');
is($later->header('Cache-Control'), 'private, no-cache', 'Cache-Control');
my $etag = $later->header('ETag');
like($etag, qr/^"\w+"$/, 'ETag');
is($r->get("resp_$id", headers => ["If-None-Match: $etag"])->status, 304,
   'it has not changed');
is($stack->ask("/v1/responses/resp_$id", method => 'HEAD')->status, 200,
   'HEAD');

my $job = decode_json($stack->ask("/v1/jobs/job_$id")->body);
is($job->{status}, 'completed', 'as a job');
is_deeply($job->{metadata}, { ticket => '7' }, 'with its metadata');
is($job->{result}{choices}[0]{message}{content}, 'Echo: Hi', 'its result');
is((grep { $_->{id} eq "job_$id" }
    @{ decode_json($stack->ask('/v1/jobs')->body)->{data} }), 0,
   'which is not listed: it was held');

is($r->get("resp_$id", no_key => 1,
           headers => ["Authorization: Bearer $other"])->status, 404,
   "another owner's");
is($r->get("resp_$_")->status, 404, "none: $_")
    for 'x', '', '0' x 24, substr($id, 1), "$id/";
is($r->get("job_$id")->status, 404, 'none: the id of a job');


# store: false

$c = $r->create('Hi', store => $false);
is($c->status, 200, 'not stored: answered');
my $gone = decode_json($c->body);
is($gone->{store}, $false, 'it says so');

for my $path ('', '?stream=true', '/cancel', '/input_items') {
    my $c = $stack->ask("/v1/responses/$gone->{id}$path",
                        method => $path eq '/cancel' ? 'POST' : 'GET');
    is($c->status, 404, "not stored$path: 404");
    my $e = decode_json($c->body)->{error};
    is_deeply([sort keys %$e], [qw(code message param type)], 'its error');
}

is((grep { $_->{id} =~ substr $gone->{id}, 5 }
    @{ decode_json($stack->ask('/v1/jobs')->body)->{data} }), 0, 'nor listed');


# other routes make no responses

my $chat = $stack->ask('/v1/chat/completions', body => encode_json({
    model => 'mock-1', messages => [{ role => 'user', content => 'Hi' }] }));
is($r->get($chat->header('X-Weir-Job') =~ s/^job_/resp_/r)->status, 404,
   'a completion is none');

$job = decode_json($stack->ask('/v1/jobs', body => encode_json({ request => {
    model => 'mock-1', messages => [{ role => 'user', content => 'Hi' }] } }))
    ->body);
is($r->get($job->{id} =~ s/^job_/resp_/r)->status, 404, 'nor is a job');


# refused

for ([{ previous_response_id => 'resp_1' }, 'previous_response_id',
      'unsupported_parameter'],
     [{ conversation => 'conv_1' }, 'conversation', 'unsupported_parameter'],
     [{ tools => [{ type => 'web_search' }] }, 'tools[0]',
      'unsupported_parameter'],
     [{ nonsense => 1 }, 'nonsense', 'unknown_parameter'],
     [{ input => undef }, 'input', undef],
     [{ background => $true, store => $false }, 'store', undef],
     [{ temperature => 9 }, 'temperature', undef],
     [{ metadata => { map { $_ => '1' } 1 .. 17 } }, 'metadata', undef])
{
    my ($with, $param, $code) = @$_;
    my $c = $r->create('Hi', %$with);
    my $e = decode_json($c->body)->{error};

    is($c->status, 400, "$param: 400");
    is_deeply([@$e{qw(type param code)}],
              ['invalid_request_error', $param, $code], "$param: the error")
        or diag(explain($e));
    is($c->header('X-Weir-Job'), undef, "$param: no job");
}

for ('', '[]', '{', '"x"') {
    my $c = $stack->ask('/v1/responses', body => $_);
    is($c->status, 400, "'$_': 400");
    is(decode_json($c->body)->{error}{type}, 'invalid_request_error',
       "'$_': an error");
}

for (['GET', ''], ['PUT', ''], ['PUT', "/resp_$id"], ['GET', "/resp_$id/cancel"])
{
    my ($method, $path) = @$_;
    my $c = $stack->ask("/v1/responses$path", method => $method);
    is($c->status, 405, "$method $path: 405");
    ok($c->header('Allow'), 'Allow');
}

is($stack->ask("/v1/responses/resp_$id/none")->status, 404, 'no such route');


# what the provider says

for (['status=400', 400, 'invalid_request_error'],
     ['status=429', 429, 'rate_limit_error'],
     ['status=500', 502, 'server_error'])
{
    my ($plan, $status, $type) = @$_;

    for my $stream ($false, $true) {
        my $c = $r->create("[[mock $plan]] Hi", stream => $stream);
        is($c->status, $status, "$plan: $status") or diag($c->body);
        is(decode_json($c->body)->{error}{type}, $type, "$plan: $type");
    }
}

# a job that has failed is a response that has

my $failed = $r->create('[[mock status=400]] Hi')->header('X-Weir-Job')
    =~ s/^job_//r;
$c = $r->get("resp_$failed");
is($c->status, 200, 'it can be fetched');
my $doc = decode_json($c->body);
is($doc->{status}, 'failed', 'and has failed');
is($doc->{error}{code}, 'invalid_prompt', 'with a code');

$c = $r->create('[[mock tokens=50]] Hi', max_output_tokens => 5);
$doc = decode_json($c->body);
is($doc->{status}, 'incomplete', 'cut off');
is($doc->{incomplete_details}{reason}, 'max_output_tokens', 'by what');


# as events

$c = $r->create('[[mock tokens=6 every=100]] Hi', stream => $true,
                metadata => { a => 'b' });
is($c->status, 200, 'a stream');
like($c->header('Content-Type'), qr{^text/event-stream}, 'type');
is($c->header('X-Accel-Buffering'), 'no', 'no buffering');

my @events = $r->events($c);
is_deeply([map { $_->{type} } @events[0, 1, 2, 3, -4, -3, -2, -1]],
          [map { "response.$_" } qw(created in_progress output_item.added
              content_part.added output_text.done content_part.done
              output_item.done completed)], 'its events');
$r->growing('numbers', @events);
is($r->text(@events), 'tok ' x 6, 'the text')
    or diag($r->text(@events));
cmp_ok(scalar(grep { $_->{type} =~ /delta/ } @events), '>=', 5, 'in pieces');
is_deeply($events[0]{response}{metadata}, { a => 'b' }, 'metadata at once');
is($events[0]{response}{id}, $events[-1]{response}{id}, 'one id');
is($c->header('X-Weir-Job') =~ s/^job_/resp_/r, $events[0]{response}{id},
   'that of the job');

my $whole = decode_json($r->get($events[-1]{response}{id})->body);
is_deeply($whole->{output}, $events[-1]{response}{output},
          'and the same later');

# what fails in the middle is an error, and no end

$c = $r->create('[[mock tokens=20 every=30 cut=body]] Hi', stream => $true);
@events = $r->events($c);
is($c->status, 200, 'cut: begun');
is($events[-1]{type}, 'response.failed', 'cut: the job has failed');
is($events[-1]{response}{status}, 'failed', 'and so has the response');
is($events[-1]{response}{error}{code}, 'server_error', 'with a code');
is((grep { $_->{type} eq 'response.completed' } @events), 0, 'and no end');


# silence: the header, the first event, then comments

$c = $r->start('[[mock delay=3000]] Hi', stream => $true);
ok($c->wait(2.5, qr/response\.created.*: ping/s), 'it says that it lives');
unlike($c->body, qr/ping.*created/s, 'created comes first');
ok($c->wait(10, sub { $_[0]->whole }), 'and ends');
is($r->text($r->events($c)), 'Echo: Hi', 'with the text');


# too slow: the job goes on, and is told of; a stream has an end that says so

$c = $r->create('[[mock delay=3500]] Hi', at => '/short');
is($c->status, 504, 'too slow');
is($c->header('x-should-retry'), 'false', 'no need to ask again');
my ($slow) = $c->header('X-Weir-Job') =~ /^job_(\w+)$/;
like(decode_json($c->body)->{error}{message}, qr/resp_$slow/,
     'it tells by which id it can be had');

$c = $r->create('[[mock delay=3500]] Ho', at => '/short', stream => $true);
@events = $r->events($c);
is($c->status, 200, 'too slow, a stream');
is_deeply([map { $_->{type} } @events], ['response.created', 'error'],
          'an error') or diag($c->body);

$r->ends("resp_$slow", 'completed');


# Idempotency-Key

my @key = (headers => ['Idempotency-Key: k1']);
my $one = $r->create('[[mock tag=idem]] Hi', @key);
my $two = $r->create('[[mock tag=idem]] Hi', @key);
is($two->status, 200, 'again');
is($two->header('Idempotent-Replayed'), 'true', 'replayed');
is_deeply(decode_json($two->body), decode_json($one->body), 'the same');
is($stack->calls('idem'), 1, 'one call');
is($r->create('[[mock tag=idem]] Ho', @key)->status, 422, 'another body');

for my $n (1, 2) {
    my $c = $r->create('[[mock tag=idem2]] Hi', store => $false,
                       headers => ['Idempotency-Key: k2'],
                       metadata => { n => 'x' });
    is(decode_json($c->body)->{metadata}{n}, 'x', "not stored, $n: repeated");
    is($r->get(decode_json($c->body)->{id})->status, 404, 'and not there');
}


# who leaves a stream ends the call

$c = $r->start('[[mock tag=left tokens=200 every=100]] Hi', stream => $true);
ok($c->wait(10, qr/output_text\.delta/), 'some text');
my ($left) = $c->body =~ /"id":"(resp_\w{24})"/;
$c->close;
$stack->wait_for(10, sub {
    $stack->mock_calls('left')->{aborted} == 1
}, 'the provider is hung up on');
$stack->wait_for(5, sub {
    decode_json($r->get($left)->body)->{status} eq 'cancelled'
}, 'the response is cancelled');


# its time is over

my ($old) = $r->create('Old')->header('X-Weir-Job') =~ /^job_(\w+)/;
$stack->redis('DEL', @{ $stack->redis('KEYS', "weir:{0}:outcome:$old:*") });
$c = $r->get("resp_$old");
is($c->status, 410, 'its outcome has expired');
is(decode_json($c->body)->{error}{code}, 'result_expired', 'the code');
$c = $stack->ask("/v1/responses/resp_$old?stream=true");
is($c->status, 410, 'so for a stream') or diag($c->body);

$stack->end;
done_testing();
