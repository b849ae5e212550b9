# What a provider refuses: the client's mistakes reach the client as they are,
# the operator's do not.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    worker => "attempts = 3\n    backoff = 10ms");

$stack->start;


sub body {
    my ($text, $model) = @_;

    return encode_json({ model => $model // 'mock-1', messages => [
        { role => 'user', content => $text }] });
}


# fails(NAME, DIRECTIVES, STATUS, CODE, MESSAGE [, MODEL])

sub fails {
    my ($name, $plan, $status, $code, $message, $model) = @_;

    my $tag = $name =~ s/\W/-/gr;
    my $text = "[[mock tag=$tag $plan]] my secret question";

    my $c = $stack->ask('/v1/chat/completions', body => body($text, $model));
    is($c->status, $status, "$name: $status") or diag($c->body);
    is($c->header('Content-Type'), 'application/json', "$name: JSON");
    is($c->header('x-should-retry'), 'false', "$name: not again")
        if $status < 500;
    like($c->header('X-Weir-Job'), qr/^job_/, "$name: the job");

    my $error = decode_json($c->body)->{error};
    is_deeply([sort keys %$error], [qw(code message param type)],
              "$name: OpenAI's form");
    is($error->{code}, $code, "$name: code");
    like($error->{message}, $message, "$name: message");
    is($stack->calls($tag), 1, "$name: asked once");

    my $job = decode_json($stack->ask('/v1/jobs/' . $c->header('X-Weir-Job'))
                                ->body);
    is($job->{status}, 'failed', "$name: the job has failed");
    is($job->{error}{status}, $status, "$name: with this status");
    is($job->{error}{message}, $error->{message}, "$name: and message");

    return $error;
}

my $any = qr/./;

fails('bad request', 'status=400', 400, undef, qr/mock|status|400|request/i);
fails('teapot', 'status=418', 400, undef, $any);
fails('unprocessable', 'status=422', 400, undef, $any);


# the operator's key is wrong: nothing that concerns the client

for my $status (401, 403) {
    my $error = fails("status $status", "status=$status", 502,
                      'upstream_auth', $any);
    unlike($error->{message}, qr/key=|Bearer|mock/i, 'no word of the key');
}

fails('another key', 'key=other', 502, 'upstream_auth', $any);
fails('not found', 'models=a,b', 404, 'model_not_found', qr/model/i);

# redirects are not followed

fails('redirect', 'status=302', 502, 'upstream_error', $any);

# the question stands in no log

for (qw(worker nginx)) {
    unlike($stack->log($_), qr/secret question/, "$_.log: no content");
}

$stack->end;

done_testing();
