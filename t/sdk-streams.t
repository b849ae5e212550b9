# The official clients read streams, of models of either dialect: pieces as they
# come, errors in the middle as errors, and the same answer as without a stream.

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
    my $stack = Weir::Stack->new(dialect => $dialect, location => 'weir_api;',
                                 worker => 'attempts = 1');
    $stack->start;

    my $dir = $stack->dir;
    my $base = 'http://127.0.0.1:' . $stack->port;
    my $out = `timeout 90 node t/sdk/streams.mjs '$node' '$base' \\
               '@{[ $stack->key ]}' 2> $dir/node.log`;
    is($?, 0, "$dialect: the clients ran")
        or diag(Weir::Stack::slurp("$dir/node.log"));

    my $seen = eval { decode_json($out) } // {};

    for my $client (qw(openai anthropic)) {
        judge("$client of $dialect", $client, $seen->{$client} // {});

        # who leaves ends the call

        $stack->wait_for(10, sub {
            $stack->mock_calls("$client-left")->{aborted} == 1;
        }, "$client of $dialect: the provider is hung up on");
    }

    $stack->end;
}

done_testing();


sub judge {
    my ($name, $client, $saw) = @_;

    my $good = sub {
        my ($what, $tokens) = @_;
        my $got = $saw->{$what} // {};

        is($got->{error}, undef, "$name, $what: no error")
            or diag(explain($got));
        is($got->{text} =~ s/ $//r, join(' ', ('tok') x $tokens),
           "$name, $what: the text");
    };

    $good->('slow', 12);
    my @at = @{ $saw->{slow}{at} };
    cmp_ok(scalar @at, '>=', 6, "$name: in pieces");
    cmp_ok($at[-1] - $at[0], '>=', 500, "$name: as they come");

    $good->('silent', 3);

    is($saw->{refused}{error}{class}, 'BadRequestError', "$name: refused");
    is($saw->{refused}{error}{status}, 400, "$name: with a status");
    like($saw->{refused}{error}{requestID}, qr/^[0-9a-f]{32}$/,
         "$name: and an id");

    for my $what (qw(error cut half)) {
        my $got = $saw->{$what};

        like($got->{text}, qr/^(?:tok )+(?:tok)?$/, "$name, $what: some text");
        cmp_ok(length $got->{text}, '<', 80, "$name, $what: not all")
            if $what ne 'half';
        ok($got->{error}{isAPIError}, "$name, $what: an error")
            or diag(explain($got->{error}));
        is($got->{error}{status}, undef, "$name, $what: after the status");
    }

    is_deeply([map { ref ? $_ : $_ =~ s/\.\d+//r } @{ $saw->{many} }],
              [map { 4 * $_ } 1 .. 20], "$name: twenty at once")
        or diag(explain($saw->{many}));

    for (@{ $saw->{whole} }) {
        my ($text, $streamed, $once) = @$_;

        # ids of calls are the provider's, new each time

        for my $answer ($streamed, $once) {
            my $calls = $client eq 'openai' ? $answer->{message}{tool_calls}
                                            : $answer->{content};
            delete $_->{id} for @{ $calls // [] };

            next if $client ne 'openai';

            # this client puts together what it knows; no text is null to it

            delete @{ $answer->{message} }{qw(parsed reasoning_content)};
            delete $_->{function}{parsed_arguments}
                for @{ $answer->{message}{tool_calls} // [] };
            $answer->{message}{content} //= '';
        }

        is_deeply($streamed, $once,
                  "$name: the same as without, "
                  . substr $text =~ s/[^ -~]/?/gr, 0, 60)
            or diag(explain([$streamed, $once]));
    }
}
