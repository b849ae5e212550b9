# The variables in the access log: for every kind of end, and empty where a
# request never came that far.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $format = join ' ', map { "$_=\$weir_$_" }
                       qw(key_id owner tier route job model status);

my $stack = Weir::Stack->new(
    location => 'weir_api;',
    http => "log_format vars '\$uri \$status $format end';
             access_log vars.log vars;
             map \$weir_owner \$who { default other; alice it-is-alice; }",
    server => 'location = /open { return 200 "$weir_owner|$weir_request_id"; }
               location /short/ { weir_api; weir_max_wait 1s;
                                  add_header X-Who $who always;
                                  add_header X-Status $weir_status always; }
               location /limit/ { deny all; weir_api; }
               location = /livez { weir_livez; }');

$stack->start('redis', 'nginx');

my ($key_id) = $stack->key =~ /^weir_[a-z0-9]+_([^_]+)_/;
my $chat = '{"model":"gpt/x","messages":[{"role":"user","content":"Hi"}]}';
my $job = qq({"request":$chat});
my $reader = $stack->create_key('dave', 'read');
my %known = (key_id => $key_id, owner => 'alice', tier => 'default');

# the new key is known when it works

$stack->wait_for(10, sub {
    $stack->ask('/v1/models', no_key => 1,
                headers => ["X-API-Key: $reader"])->status != 401;
}, 'the key of dave');


# logs(NAME, CLIENT, PATH, STATUS, VARIABLE => VALUE...): - is none

my $seen = 0;

sub logs {
    my ($name, $c, $path, $status, %want) = @_;

    is($c->status, $status, "$name: $status");

    # the line is written behind the answer

    my $line;

    $stack->wait_for(5, sub {
        my @lines = split /\n/, Weir::Stack::slurp($stack->dir . '/vars.log');
        ($line) = grep { /^\Q$path\E / } @lines[$seen .. $#lines];
        $seen = @lines if $line;
        return $line;
    }, "a line of $path");

    my %got = map { split /=/, $_, 2 } grep { /=/ } split / /, $line;

    is_deeply(\%got, { (map { $_ => '-' } qw(key_id owner tier route job model
                                             status)), %want },
              "$name: variables");
}

my $c = $stack->ask('/v1/jobs', body => $job);
my $id = decode_json($c->body)->{id};
my %job = (job => $id, model => 'gpt/x');

logs('submitted', $c, '/v1/jobs', 202, %known, %job, route => 'jobs',
     status => 'QUEUED');
logs('look', $stack->ask("/v1/jobs/$id"), "/v1/jobs/$id", 200, %known, %job,
     route => 'job', status => 'QUEUED');
logs('models', $stack->ask('/v1/models'), '/v1/models', 503, %known,
     route => 'models', status => 'UNAVAILABLE');
logs('cancelled', $stack->ask("/v1/jobs/$id", method => 'DELETE'),
     "/v1/jobs/$id", 200, %known, %job, route => 'job',
     status => 'CANCELLED');

my $none = '/v1/jobs/job_00' . 'a' x 22;
logs('no such job', $stack->ask($none), $none, 404, %known, route => 'job',
     status => 'NOT_FOUND');
logs('no route', $stack->ask('/v1/none'), '/v1/none', 404, %known,
     status => 'NOT_FOUND');
logs('method', $stack->ask('/v1/jobs', method => 'PUT', body => '{}'),
     '/v1/jobs', 405, %known, status => 'METHOD');
logs('bad body', $stack->ask('/v1/jobs', body => '{'), '/v1/jobs', 400,
     %known, route => 'jobs', status => 'INVALID');
logs('bad type', $stack->ask('/v1/jobs', body => '{}',
     headers => ['Content-Type: text/x']), '/v1/jobs', 415, %known,
     route => 'jobs', status => 'MEDIA_TYPE');

$c = $stack->ask('/short/v1/chat/completions', body => $chat);
logs('time is up', $c, '/short/v1/chat/completions', 504, %known,
     job => $c->header('X-Weir-Job'), model => 'gpt/x', route => 'chat',
     status => 'TIMEOUT');
is($c->header('X-Who'), 'it-is-alice', 'in a map');
is($c->header('X-Status'), 'TIMEOUT', 'in add_header');

logs('no key', $stack->ask('/v1/jobs', body => $job, no_key => 1),
     '/v1/jobs', 401, route => 'jobs', status => 'REFUSED');
$c = $stack->ask('/v1/jobs', body => $job, no_key => 1,
                 headers => ["X-API-Key: $reader"]);
my ($dave) = $reader =~ /^weir_[a-z0-9]+_([^_]+)_/;
logs('no scope', $c, '/v1/jobs', 403, key_id => $dave, owner => 'dave',
     tier => 'default', route => 'jobs', status => 'REFUSED');

logs('health', $stack->ask('/livez'), '/livez', 200);


# refused before the gate, by nginx

logs('denied', $stack->ask('/limit/v1/jobs', body => $job),
     '/limit/v1/jobs', 403, %known, route => 'jobs');
$c = $stack->ask('/v1/jobs', body => 'x' x 1100000);
is($c->status, 413, 'too large');
my ($line) = $stack->wait_for(5, sub {
    (grep { / 413 / }
     split /\n/, Weir::Stack::slurp($stack->dir . '/vars.log'))[0];
}, 'line of 413');
like($line, qr/ key_id=- owner=- .*status=/, 'nobody was asked who it is');


# elsewhere

is($stack->ask('/open')->body, '|', 'empty in another location');


# one connection, two requests: nothing of the first is left

my $auth = $stack->auth;
$c = Weir::Client->new(port => $stack->port, raw =>
    "GET /v1/models HTTP/1.1\r\nHost: x\r\n$auth\r\n\r\n"
    . "GET /v1/second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
$c->wait(5, sub { $_[0]{eof} });
$c->close;                              # else nginx lingers, and logs then

$line = $stack->wait_for(5, sub {
    (grep { m{^/v1/second } }
     split /\n/, Weir::Stack::slurp($stack->dir . '/vars.log'))[0];
}, 'line of the second');
like($line, qr{^/v1/second 401 key_id=- owner=- tier=- route=- job=- model=- },
     'nothing is stale');

unlike(Weir::Stack::slurp($stack->dir . '/vars.log'),
       qr/\Q@{[ $stack->key ]}\E/, 'no key in the log');

$stack->end;

done_testing();
