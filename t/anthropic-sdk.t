# The official Anthropic client for Node works with another base URL and key, and
# nothing else: messages, tools, errors by their class, what it asks again.  So
# with models of either dialect.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use Cwd qw(abs_path);
use JSON::PP;
use Test::More;
use Weir::Stack;

my $node = abs_path('build/node') // die "build/node is missing: make prove";

for my $dialect (qw(openai anthropic)) {
    my $stack = Weir::Stack->new(
        dialect => $dialect, location => 'weir_api;',
        http => 'weir_limit_zone $weir_key_id zone=soon:1m rate=1r/s;
                 weir_limit_zone $weir_key_id zone=day:1m quota=1/day;',
        worker => 'attempts = 1',
        server => 'location /small/ { weir_api; client_max_body_size 1k; }
                   location /short/ { weir_api; weir_max_wait 1s; }
                   location /soon/ { weir_api; weir_limit zone=soon; }
                   location /day/ { weir_api; weir_limit zone=day; }
                   location /full/ { weir_api; weir_queue_limit total=1; }');

    $stack->start;
    $stack->wait_for(10, sub { $stack->ask('/v1/models')->status == 200 },
                     'models');

    my $dir = $stack->dir;
    my $base = 'http://127.0.0.1:' . $stack->port;
    my $out = `timeout 60 node t/sdk/anthropic.mjs '$node' '$base' \\
               '@{[ $stack->key ]}' 2> $dir/node.log`;
    is($?, 0, "$dialect: the client ran")
        or diag(Weir::Stack::slurp("$dir/node.log"));

    judge($dialect, eval { decode_json($out) } // {});

    $stack->end;
}

done_testing();


sub judge {
    my ($dialect, $seen) = @_;

    my $value = sub {
        my ($name) = @_;
        is($seen->{$name}{error}, undef, "$dialect, $name: no error")
            or diag(explain($seen->{$name}));
        return $seen->{$name}{value};
    };

    my $sent = sub { [map { $_->{status} } @{ $seen->{$_[0]}{sent} }] };

    my $m = $value->('message');
    is_deeply([@$m{qw(type role model stop_reason stop_sequence)}],
              ['message', 'assistant', 'mock-1', 'end_turn', undef],
              'a message');
    like($m->{id}, qr/^msg_\w{24}$/, 'its id');
    is($m->{content}[0]{text}, 'Echo: Hi', 'its text');
    cmp_ok($m->{usage}{output_tokens}, '>', 0, 'its usage');
    like($m->{requestID}, qr/^[0-9a-f]{32}$/, 'its request id');

    my $response = $value->('withResponse');
    is($response->{requestID}, 'mine-1', "the application's own id");
    is($response->{status}, 200, 'status');
    like($response->{job}, qr/^job_\w{24}$/, 'the job');

    is($value->($_), 'Echo: Hi', $_) for qw(bearer system image);

    my $tools = $value->('tools');
    is($tools->{reason}, 'tool_use', 'a call of a tool');
    is($tools->{use}{name}, 'weather', 'by name');
    is_deeply($tools->{use}{input}, { city => 'Oslo' }, 'with its input');
    is($tools->{end}, 'end_turn', 'and the answer to its result');

    # the betas have members of their own, which another dialect cannot say

    if ($dialect eq 'anthropic') {
        my $runner = $value->('toolRunner');
        is_deeply($runner->{cities}, ['Oslo'], 'a tool that is run');
        is($runner->{end}, 'end_turn', 'to the end');

    } else {
        my $e = $seen->{toolRunner}{error} // {};
        is($e->{class}, 'BadRequestError', 'a tool that is run: a beta');
        like($e->{message}, qr/cannot say the member \\?"\w+/,
             'its member is named');
    }

    my $stream = $value->('stream');
    is($stream->{text}, 'Echo: one two three', 'a stream');
    is($stream->{types}[0], 'message_start', 'its beginning');
    is($stream->{types}[-1], 'message_stop', 'its end');

    my $final = $value->('streamFinal');
    is($final->{stop_reason}, 'tool_use', 'a stream with a tool');
    is($final->{content}[-1]{name}, 'weather', 'by name');
    is(ref $final->{content}[-1]{input}, 'HASH', 'its input');
    ok(defined $final->{usage}{output_tokens}, 'its usage');

    like($value->('streamText'), qr/^Echo: (?:Grüße 😀 ?){100}$/, 'a long one');

    is_deeply($value->('parallel'), [map { "Echo: number $_" } 0 .. 19],
              'twenty at once');

    my $models = $value->('models');
    is_deeply([sort map { $_->{id} } @$models], [qw(mock-1 mock-large)],
              'models');
    is($models->[0]{type}, 'model', 'their type');
    my $model = $value->('model');
    is($model->{display_name}, 'mock-1', 'one model');
    like($model->{requestID}, qr/^[0-9a-f]{32}$/, 'its request id');

    is($value->('afterRetry'), 'Echo: Hi', 'after two retries');
    is_deeply($sent->('afterRetry'), [502, 502, 200], 'which it made');

    # name, class, status, type, how often it was asked

    for (['noModel', 'NotFoundError', 404, 'not_found_error', 1],
         ['badKey', 'AuthenticationError', 401, 'authentication_error', 1],
         ['badMessages', 'BadRequestError', 400, 'invalid_request_error', 1],
         ['badTemperature', 'BadRequestError', 400, 'invalid_request_error',
          1],
         ['countTokens', 'NotFoundError', 404, 'not_found_error', 1],
         ['batches', 'NotFoundError', 404, 'not_found_error', 1],
         ['refused', 'BadRequestError', 400, 'invalid_request_error', 1],
         ['streamRefused', 'BadRequestError', 400, 'invalid_request_error', 1],
         ['tooLarge', 'ContentTooLargeError', 413, 'request_too_large', 1],
         ['limited', 'RateLimitError', 429, 'rate_limit_error', 1],
         ['broken', 'InternalServerError', 502, 'api_error', 1],
         ['overloaded', $dialect eq 'openai'
          ? ('InternalServerError', 502, 'api_error')
          : ('OverloadedError', 529, 'overloaded_error'), 1],
         ['late', 'GatewayTimeoutError', 504, 'timeout_error', 1],
         ['day', 'RateLimitError', 429, 'rate_limit_error', 2],
         ['unauthorizedOnce', 'AuthenticationError', 401,
          'authentication_error', 1])
    {
        my ($name, @want) = @$_;
        my $calls = pop @want;
        my $e = $seen->{$name}{error} // {};

        is_deeply([@$e{qw(class status type)}], \@want, "$dialect, $name")
            or diag(explain($seen->{$name}));
        like($e->{requestID}, qr/^[0-9a-f]{32}$/, "$name: request id");
        is($e->{body}{request_id}, $e->{requestID}, "$name: in the body too");
        like($e->{body}{error}{message}, qr/\w/, "$name: message");
        is(scalar @{ $sent->($name) }, $calls, "$name: asked no more");
    }

    # who is told when to come again comes then, and no earlier

    is($value->('soon'), 'Echo: Ho', 'a limit that is soon over');
    is_deeply($sent->('soon'), [200, 429, 200], 'asked again once');
    my ($first, $no, $yes) = @{ $seen->{soon}{sent} };
    cmp_ok($yes->{at} - $no->{done}, '>=', $no->{ms} - 5, 'when it was told');
    cmp_ok($no->{after}, '>=', $no->{ms} / 1000, 'which both fields say');

    my $full = $value->('full');
    is($full->{refused}{class}, 'OverloadedError', 'there is room for one');
    ok($full->{refused}{isServerError}, 'an error of the server');
    is($full->{refused}{type}, 'overloaded_error', 'its type');
    is($full->{one}, 'Echo: one', 'who is answered');
    is($full->{two}, 'Echo: two', 'and who asks again too');
    is($full->{again}[0]{status}, 529, 'after a refusal');
    is($full->{again}[0]{after}, 1, 'and a second');
    is($full->{again}[-1]{status}, 200, 'or two');

    is($seen->{timeout}{error}{class}, 'APIConnectionTimeoutError',
       'a timeout') or diag(explain($seen->{timeout}));
}
