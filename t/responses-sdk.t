# The official OpenAI client and its responses, of models of either dialect:
# created, streamed, read on, polled, cancelled; tools; errors by their class.

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
        worker => "attempts = 2\n    backoff = 10ms");
    $stack->start;

    my $edge = Weir::Stack->new(edge_of => $stack, location => 'weir_api;')
                   ->start('nginx');

    my $dir = $stack->dir;
    my ($here, $there) = map { "http://127.0.0.1:@{[ $_->port ]}/v1" }
                         $stack, $edge;
    my $out = `timeout 90 node t/sdk/responses.mjs '$node' '$here' '$there' \\
               '@{[ $stack->key ]}' 2> $dir/node.log`;
    is($?, 0, "$dialect: the client ran")
        or diag(Weir::Stack::slurp("$dir/node.log"));

    judge($dialect, eval { decode_json($out) } // {});

    for ('sdk-abort', 'sdk-cancel') {
        my $tag = $_;
        next if $tag eq 'sdk-cancel' && $stack->calls($tag) == 0;

        $stack->wait_for(10, sub {
            $stack->mock_calls($tag)->{aborted} == 1;
        }, "$dialect, $tag: the provider is hung up on");
    }

    is($stack->calls('sdk-resumed'), 1, "$dialect: one call for all readers");

    $edge->end;
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

    my $r = $value->('create');
    is($r->{object}, 'response', 'a response');
    is($r->{text}, 'Echo: Hi', 'its text');
    is($r->{status}, 'completed', 'its status');
    is_deeply($r->{metadata}, { a => 'b' }, 'its metadata');
    like($r->{id}, qr/^resp_\w{24}$/, 'its id');
    like($r->{requestID}, qr/^[0-9a-f]{32}$/, 'its request id');
    is($r->{usage}{total_tokens},
       $r->{usage}{input_tokens} + $r->{usage}{output_tokens}, 'its usage');

    is($value->('items'), 'Echo: Hi', 'items');

    my ($first, $same) = @{ $value->('retrieve') };
    delete $_->{_request_id} for $first, $same;
    is_deeply($same, $first, 'the same elsewhere');

    my $stream = $value->('stream');
    is($stream->{text}, 'tok ' x 6, 'a stream');
    cmp_ok($stream->{spread}, '>=', 300, 'as it comes');
    is($stream->{types}[0], 'response.created', 'its first event');
    is($stream->{types}[-1], 'response.completed', 'its last event');

    whole($dialect, $_) for @{ $value->('whole') };

    my $tools = $value->('tools');
    is($tools->{call}{name}, 'weather', 'a call of a tool');
    is_deeply(decode_json($tools->{call}{arguments}), { city => 'Oslo' },
              'its arguments');
    is($tools->{text}, 'Echo: And now?', 'and its result is taken');
    is_deeply($value->('parsed'), { city => 'Oslo' }, 'parsed by the client');

    is_deeply($value->('poll'), { first => 'queued', last => 'completed',
                                  text => 'Echo: Hi' }, 'polled');
    is_deeply($value->('cancel'), ['cancelled', 'cancelled', JSON::PP::true],
              'cancelled');
    like($value->('delete'), qr/^resp_/, 'deleted');

    my $resumed = $value->('resumed');
    is($resumed->{told}{text}, 'tok ' x 8, 'left and resumed');
    is_deeply($resumed->{full}, $resumed->{told}, 'as without leaving');
    is_deeply($resumed->{wrong}, [], 'from every event')
        or diag(explain($resumed));
    is($resumed->{final}{output}[0]{content}[0]{text}, 'tok ' x 8,
       'the response at its end');

    my $helper = $value->('helper');
    is($helper->{final}, 'tok ' x 5, "the client's own helper");

    ok($value->('abort'), 'aborted');

    is_deeply($value->('failed'), { type => 'response.failed', error => {
                  code => 'invalid_prompt',
                  message => $seen->{failed}{value}{error}{message} } },
              'failed in the background');

    errors($dialect, $seen);
}


sub whole {
    my ($dialect, $saw) = @_;
    my $name = "$dialect, " . substr $saw->{input} =~ s/[^ -~]/?/gr, 0, 50;

    is($saw->{error}, undef, "$name: no error")
        or do { diag(explain($saw->{error})); return };

    my ($final, $plain) = @$saw{qw(final plain)};

    is($saw->{text}, $final->{output_text}, "$name: the text in pieces");
    is($saw->{args}, join('', map { $_->{arguments} }
                          grep { $_->{type} eq 'function_call' }
                          @{ $final->{output} }), "$name: and arguments");

    # ids and times are of each; those of calls are the provider's, new each time

    for my $r ($final, $plain) {
        delete @$r{qw(id created_at completed_at _request_id output_parsed)};

        for my $item (@{ $r->{output} }) {
            delete @$item{qw(id call_id parsed_arguments)};
            delete $_->{parsed} for @{ $item->{content} // [] };
        }
    }

    is_deeply($final, $plain, "$name: the same as without a stream")
        or diag(explain([$final, $plain]));
}


sub errors {
    my ($dialect, $seen) = @_;

    for (['deleted', 'NotFoundError', 404, 'not_found', undef],
         ['notStored', 'NotFoundError', 404, 'not_found', undef],
         ['notThere', 'NotFoundError', 404, 'not_found', undef],
         ['inputItems', 'NotFoundError', 404, 'not_found', undef],
         ['cancelHeld', 'BadRequestError', 400, undef, undef],
         ['previous', 'BadRequestError', 400, 'unsupported_parameter',
          'previous_response_id'],
         ['conversation', 'BadRequestError', 400, 'unsupported_parameter',
          'conversation'],
         ['unknown', 'BadRequestError', 400, 'unknown_parameter', 'nonsense'],
         ['webSearch', 'BadRequestError', 400, 'unsupported_parameter',
          'tools[0]'],
         ['refused', 'BadRequestError', 400, undef, undef],
         ['streamRefused', 'BadRequestError', 400, undef, undef],
         ['limited', 'RateLimitError', 429, 'rate_limit_exceeded', undef],
         ['broken', 'InternalServerError', 502, 'upstream_error', undef],
         ['badKey', 'AuthenticationError', 401, 'invalid_api_key', undef])
    {
        my ($name, @want) = @$_;
        my $error = $seen->{$name}{error} // {};

        is_deeply([@$error{qw(class status code param)}], \@want,
                  "$dialect, $name") or diag(explain($seen->{$name}));
        like($error->{requestID}, qr/^[0-9a-f]{32}$/, "$name: request id");
    }

    my $cut = $seen->{cut}{error};
    ok($cut->{isAPIError}, "$dialect, cut: an error")
        or diag(explain($seen->{cut}));
    is($cut->{status}, undef, 'after the status');
    is($cut->{code}, 'upstream_truncated', 'it says why');
}
