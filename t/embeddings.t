# Embeddings: runs of that kind in the queue, which the worker asks its provider
# for, and what their jobs show.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use MIME::Base64;
use Test::More;
use Weir::Stack;

my $stack;


sub start {
    $stack = Weir::Stack->new(location => 'weir_api;', @_)->start;

    return $stack;
}


sub last_call { decode_json($stack->mock('/mock/last')->body) }


# submit(INPUT, MORE): the job's id.  It is submitted as another that is not yet
# due, and then becomes what it shall be.

sub submit {
    my ($input, %more) = @_;

    my $c = $stack->ask('/v1/jobs', body => encode_json({
        run_at => int(time) + 3600, request => { model => 'e-1', messages => [
            { role => 'user', content => 'x' }] } }));
    is($c->status, 202, 'a job') or diag($c->body);
    my $id = decode_json($c->body)->{id} =~ s/^job_//r;

    $stack->redis('SET', "weir:{0}:request:$id", encode_json({
        v => 1, kind => 'embed', model => 'e-1', input => $input, params => {},
        extra => { openai => {} }, %more }), 'KEEPTTL');
    $stack->redis('ZADD', 'weir:{0}:delayed', 'XX', 1, "normal:1:$id");

    return $id;
}


sub ended {
    my ($id) = @_;

    my $job;
    $stack->wait_for(15, sub {
        $job = decode_json($stack->ask("/v1/jobs/job_$id")->body);
        return $job->{status} =~ /^(?:completed|failed)$/;
    }, 'its end');

    return $job;
}

sub embed { ended(submit(@_)) }


# what the mock says to the same when nobody stands between

sub direct {
    my ($input, %more) = @_;

    return decode_json($stack->mock('/v1/embeddings', body => encode_json({
        model => 'e-1', input => $input, %more }))->body);
}


sub packed { [map { pack 'f<*', @{ $_->{embedding} } } @{ $_[0]{data} }] }


start(worker => "attempts = 2\n    backoff = 10ms");

for (['one', ['Hi']], ['several', ['Hi', "Grüße \x{1f30a}", 'Hi']],
     ['tokens', [[1, 2, 3]]], ['lists', [[1, 2], [3]]],
     ['large', [map { "text $_" } 1 .. 300]])
{
    my ($name, $input) = @$_;

    my $job = embed($input);
    is($job->{status}, 'completed', "$name: completed")
        or diag(encode_json($job));

    my $call = last_call();
    is($call->{path}, '/v1/embeddings', "$name: the path");
    is_deeply($call->{json}, { model => 'e-1', encoding_format => 'base64',
                               input => @$input > 1 ? $input : $input->[0] },
              "$name: the call");

    my $want = direct($input);
    my $got = $job->{result};
    is_deeply(packed($got), packed($want), "$name: the vectors");
    is_deeply([map { $_->{index} } @{ $got->{data} }], [0 .. $#$input],
              "$name: in their order");
    is_deeply([@$got{qw(object model usage)}], [@$want{qw(object model usage)}],
              "$name: and the rest");
    is($job->{usage}{output_tokens}, 0, "$name: there is no output");
}

my $job = embed(['Hi'], params => { dimensions => 5 },
                extra => { openai => { user => 'u', input_type => 'query' } });
is(scalar @{ $job->{result}{data}[0]{embedding} }, 5, 'dimensions');
is_deeply(last_call()->{json}, { model => 'e-1', input => 'Hi', user => 'u',
    encoding_format => 'base64', dimensions => 5, input_type => 'query' },
    'all that was asked for');


# what goes wrong is tried again

my $n = 0;

for (['status=503', 2, 502, 'upstream_error'],
     ['status=400', 1, 400, 'invalid_request'],
     ['garbage=json', 2, 502, 'upstream_invalid'],
     ['garbage=empty', 2, 502, 'upstream_invalid'],
     ['cut=body', 2, 502, 'upstream_error'])
{
    my ($plan, $calls, $status, $code) = @$_;
    my $tag = 'e' . ++$n;

    $job = embed(["[[mock tag=$tag $plan]] Hi"]);
    is($job->{status}, 'failed', "$plan: failed");
    is_deeply([@{ $job->{error} }{qw(status code)}], [$status, $code],
              "$plan: how");
    is($stack->calls($tag), $calls, "$plan: calls");

    next if $calls == 1;

    $job = embed(["[[mock tag=$tag-2 times=1 $plan]] Hi"]);
    is($job->{status}, 'completed', "$plan once: completed");
}

$job = embed(['[[mock usage=none]] Hi']);
is($job->{status}, 'completed', 'nothing is said of tokens');


# in a cell

my $id = submit(['[[mock tag=cell delay=1200]] Hi']);
$stack->wait_for(10, sub { $stack->calls('cell') == 1 }, 'the call');
$stack->kill_child('worker') for 1, 2;
$job = ended($id);
is($job->{status}, 'completed', 'a cell has done it');
is_deeply(packed($job->{result}), packed(direct(['Hi'])), 'as a runner does');

$stack->end;


# who has no such requests says so at once

for my $dialect ('anthropic', 'builtin') {
    start($dialect eq 'builtin'
          ? (worker_more => <<'END') : (dialect => $dialect));
provider "builtin" {
    dialect = "builtin"
}

model "e-1" {
    provider = "builtin"
}
END

    $job = embed(['[[mock tag=none]] Hi']);
    is($job->{status}, 'failed', "$dialect: failed");
    is($job->{error}{code}, 'untranslatable', "$dialect: the code");
    like($job->{error}{message}, qr/"embed"/, "$dialect: says what");
    is($stack->calls('none'), 0, "$dialect: nobody was asked");

    $stack->end;
}

done_testing();
