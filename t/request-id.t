# The id of a request: the client's own if it is a good one, else a new one;
# in the header, in errors, in the job and in the log.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    http => 'log_format id "id=$weir_request_id."; access_log ids.log id;',
    server => 'location = /livez { weir_livez; }');

$stack->start('redis', 'nginx');

my $job = '{"request":{"model":"m","messages":[{"role":"user",'
          . '"content":"Hi"}]}}';


sub ask {
    my ($path, @headers) = @_;

    return $stack->ask($path, headers => [@headers]);
}


for my $id ('a', '0', 'x' x 128, 'A-Z_a.z-09', '...', '-',
            '7c0f1f7e-6f0e-4a2b-9d3e-000000000000')
{
    my $c = ask('/v1/none', "X-Request-Id: $id");
    is($c->header('X-Request-Id'), $id, "echoed: $id");
    is(decode_json($c->body)->{request_id}, $id, 'and in the error');
}

is(ask('/v1/none', 'x-request-id: lower')->header('X-Request-Id'), 'lower',
   'in any case of letters');

for my $id ('', ' ', 'x' x 129, 'a b', 'a,b', 'a;b', "\xc3\xa4", '"a"', 'a/b',
            '<a>', '${x}', 'a:b', "a\tb")
{
    my $got = ask('/v1/none', "X-Request-Id: $id")->header('X-Request-Id');

    like($got, qr/^[0-9a-f]{32}$/, "not echoed: '$id'");
}

my $two = ask('/v1/none', 'X-Request-Id: a', 'X-Request-Id: b');
is($two->header('X-Request-Id'), 'a', 'of two the first');


# a new one each time

my %seen;
$seen{ask('/v1/none')->header('X-Request-Id')}++ for 1 .. 200;
is(scalar keys %seen, 200, 'no two requests share one');


# with every answer, in the name of the dialect

for (['/livez', 200], ['/v1/none', 404], ['/v1/models', 503],
     ['/v1/messages', 405])
{
    my ($path, $status) = @$_;
    my $c = ask($path, 'X-Request-Id: mine');

    is($c->status, $status, "$path: $status");
    is($c->header('X-Request-Id'), 'mine', "$path: the id");
    is($c->header('request-id'), $path =~ /messages/ ? 'mine' : undef,
       "$path: Anthropic's header");
}


# it goes with the job

my $c = $stack->ask('/v1/jobs', body => $job,
                    headers => ['X-Request-Id: with-the-job']);
is($c->status, 202, 'a job');
my $run = decode_json($c->body)->{id} =~ s/^job_//r;

is($stack->redis('HGET', "weir:{0}:$_:$run", 'request'), 'with-the-job',
   "in Redis, $_") for qw(job run);

my $log;

ok($stack->wait_for(5, sub {
    $log = Weir::Stack::slurp($stack->dir . '/ids.log');
    return $log =~ /^id=with-the-job\.$/m;
}, 'log'), 'in the log');

is(scalar(() = $log =~ /^id=-?\.$/mg), 1, 'never empty: one was "-" indeed');

$stack->end;

done_testing();
