# The official OpenAI client for Node works with another base URL and key, and
# nothing else: answers, errors by their class, request ids.  So with models of
# either dialect.

use strict;
use warnings;

use lib 't/lib';
use Cwd qw(abs_path);
use JSON::PP;
use Test::More;
use Weir::Stack;

my $node = abs_path('build/node') // die "build/node is missing: make prove";
my $stack;

for my $dialect (qw(openai anthropic)) {

    $stack = Weir::Stack->new(
        location => 'weir_api;', dialect => $dialect,
        worker => "attempts = 2\n    backoff = 10ms",
        server => 'location /gateway/ { weir_api; }
                   location = /metrics { weir_metrics; }');

    $stack->start;
    $stack->wait_for(10, sub { $stack->ask('/v1/models')->status == 200 },
                     'models');

    # once at the root, once below a prefix

    run($_, $dialect) for '', '/gateway';

    $stack->end;
}

done_testing();


sub run {
    my ($prefix, $dialect) = @_;

    my $dir = $stack->dir;
    my $base = "http://127.0.0.1:@{[ $stack->port ]}$prefix/v1";
    my $unauthenticated = metric('weir_requests_unauthenticated_total');

    my $out = `timeout 60 node t/sdk/openai.mjs '$node' '$base' \\
               '@{[ $stack->key ]}' 2> $dir/node.log`;
    is($?, 0, "$dialect, '$prefix': the client ran")
        or diag(Weir::Stack::slurp("$dir/node.log"));

    judge($prefix, $dialect, eval { decode_json($out) } // {});

    # badKey and unauthorizedOnce: a refusal is not asked again

    is(metric('weir_requests_unauthenticated_total') - $unauthenticated, 2,
       "'$prefix': a refusal is final");
}


sub metric { $stack->edge_metric(@_) }


# numbers as they are in four bytes

sub near {
    return [map { [$_->[0], [unpack 'f<*', pack 'f<*', @{ $_->[1] }]] }
            @{ $_[0] }];
}


sub judge {
    my ($prefix, $dialect, $seen) = @_;

    my $value = sub {
        my ($name) = @_;
        is($seen->{$name}{error}, undef, "'$prefix', $name: no error")
            or diag(explain($seen->{$name}));
        return $seen->{$name}{value};
    };

    my $chat = $value->('chat');
    is($chat->{object}, 'chat.completion', 'a completion');
    is($chat->{choices}[0]{message}{content}, 'Echo: Hi', 'its text');
    is($chat->{choices}[0]{message}{role}, 'assistant', 'its role');
    is($chat->{choices}[0]{finish_reason}, 'stop', 'its end');
    is($chat->{usage}{total_tokens}, 3, 'its usage');
    like($chat->{requestID}, qr/^[0-9a-f]{32}$/, 'its request id');

    my $response = $value->('withResponse');
    is($response->{requestID}, 'mine-1', "the application's own id");
    is($response->{status}, 200, 'status');
    like($response->{job}, qr/^job_\w{24}$/, 'the job');

    my $tools = $value->('tools');
    is($tools->{finish_reason}, 'tool_calls', 'a tool call');
    is($tools->{message}{tool_calls}[0]{function}{name}, 'weather', 'by name');

    my $stream = $value->('stream');
    is($stream->{text}, 'Echo: one two three', 'a stream');
    is($stream->{finish}, 'stop', 'its end');
    is($stream->{usage}{total_tokens},
       $stream->{usage}{prompt_tokens} + $stream->{usage}{completion_tokens},
       'its usage');
    cmp_ok($stream->{events}, '>=', 4, 'role, text, end and usage');

    my $final = $value->('streamFinal')->{choices}[0];
    is($final->{finish_reason}, 'tool_calls', 'a stream with a tool call');
    is($final->{message}{tool_calls}[0]{function}{name}, 'weather', 'by name');
    is(ref decode_json($final->{message}{tool_calls}[0]{function}{arguments}),
       'HASH', 'its arguments');

    is($value->('streamText'),
       'Echo: ' . "Gr\x{fc}\x{df}e \x{1f600} " x 100, 'a long one');

    if ($dialect eq 'openai') {
        my $e = $value->('embeddings');
        is(join(',', map { $_->[0] } @{ $e->{texts} }), '0,1', 'embeddings');
        is(scalar @{ $e->{texts}[0][1] }, 8, 'of eight dimensions');
        is_deeply(near($e->{texts}), near($e->{floats}), 'in either encoding');
        cmp_ok($e->{usage}{total_tokens}, '>', 0, 'their usage');
        like($e->{requestID}, qr/^[0-9a-f]{32}$/, 'their request id');

    } else {
        is($seen->{embeddings}{error}{code}, 'untranslatable',
           'no embeddings of such a model');
    }

    is_deeply($value->('parallel'), [map { "Echo: number $_" } 0 .. 19],
              'twenty at once');
    is_deeply($value->('models'), [qw(mock-1 mock-large)], 'models');
    is($value->('model')->{id}, 'mock-1', 'one model');
    is($value->('afterRetry'), 'Echo:  Hi' =~ s/  / /r, 'after a retry');

    # class, status, code, type, param; each with the request's id

    for (['noModel', 'NotFoundError', 404, 'model_not_found',
          'invalid_request_error', undef],
         ['badKey', 'AuthenticationError', 401, 'invalid_api_key',
          'invalid_request_error', undef],
         ['badMessages', 'BadRequestError', 400, undef,
          'invalid_request_error', 'messages'],
         ['badTemperature', 'BadRequestError', 400, undef,
          'invalid_request_error', 'temperature'],
         ['badInput', 'BadRequestError', 400, undef,
          'invalid_request_error', 'input'],
         ['refused', 'BadRequestError', 400, undef,
          'invalid_request_error', undef],
         ['streamRefused', 'BadRequestError', 400, undef,
          'invalid_request_error', undef],
         ['limited', 'RateLimitError', 429, 'rate_limit_exceeded',
          'rate_limit_error', undef],
         ['broken', 'InternalServerError', 502, 'upstream_error',
          'server_error', undef])
    {
        my ($name, @want) = @$_;
        my $error = $seen->{$name}{error} // {};

        is_deeply([@$error{qw(class status code type param)}], \@want,
                  "'$prefix', $name") or diag(explain($seen->{$name}));
        like($error->{requestID}, qr/^[0-9a-f]{32}$/, "$name: request id");
        like($error->{message}, qr/^$want[1] \S/, "$name: message");
    }

    is($seen->{badRoute}{error}{class}, 'NotFoundError', 'no such route');
    is($seen->{unauthorizedOnce}{error}{class}, 'AuthenticationError',
       'a refusal with retries');
    like($seen->{timeout}{error}{class}, qr/Connection/, 'a timeout');
}
