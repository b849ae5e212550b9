# POST /v1/embeddings from end to end: vectors in the form that was asked for,
# from the provider or from the cache, and what it costs.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use MIME::Base64;
use Test::More;
use Weir::Stack;

my $s = Weir::Stack->new(
    http => 'weir_cache_zone answers 2m;
             weir_limit_zone $weir_key_id zone=input:1m scope=fleet
                             quota=1000000/day count=input-tokens;
             weir_limit_zone $weir_key_id zone=output:1m scope=fleet
                             quota=10/day count=output-tokens;
             weir_limit_zone $weir_key_id zone=tokens:1m scope=fleet
                             quota=1000000/day count=tokens;
             log_format seen "$uri $status $weir_route $weir_cache_status '
             . '$weir_status"; access_log seen.log seen;',
    location => 'weir_api;', worker => 'attempts = 1',
    server => 'location /cached/ { weir_api; weir_cache zone=answers; }
               location /ttl/ { weir_api; weir_cache zone=answers;
                   weir_cache_ttl 0 route=embeddings; weir_cache_ttl 1h; }
               location /short/ { weir_api; weir_max_wait 1s; }
               location /charged/ { weir_api; weir_limit zone=input;
                   weir_limit zone=output; weir_limit zone=tokens; }
               location = /metrics { weir_metrics; }');

$s->start;


sub request {
    my ($input, %o) = @_;

    return $s->request(($o{at} // '') . '/v1/embeddings',
        body => encode_json({ model => 'embed-1', input => $input,
                              %{ $o{with} // {} } }),
        headers => $o{headers} // []);
}

sub embed { my $c = request(@_); $c->wait(10); $c }

sub data { @{ decode_json($_[0]->body)->{data} } }

sub floats {
    return map { ref $_->{embedding} ? $_->{embedding}
                 : [unpack 'f<*', decode_base64($_->{embedding})] } data(@_);
}

sub metric { $s->edge_metric(@_) }


# the answer, member by member

my $c = embed('Hi', headers => ['X-Request-Id: mine']);
is($c->status, 200, 'answered') or diag($c->body);
is($c->header('Content-Type'), 'application/json', 'media type');
is($c->header('Cache-Control'), 'no-store', 'not for other caches');
is($c->header('X-Request-Id'), 'mine', 'request id');

my ($job) = $c->header('X-Weir-Job') =~ /^job_(\w{24})$/;
ok($job, 'a job stands behind it');

my $list = decode_json($c->body);
is($list->{object}, 'list', 'a list');
is($list->{model}, 'embed-1', 'the model');
is_deeply($list->{usage}, { prompt_tokens => 1, total_tokens => 1 }, 'usage');
is(scalar @{ $list->{data} }, 1, 'of one');
is($list->{data}[0]{object}, 'embedding', 'an embedding');
is($list->{data}[0]{index}, 0, 'its index');
is(scalar @{ $list->{data}[0]{embedding} }, 64, 'its dimensions');

my $asked = decode_json($s->mock('/mock/last')->body);
is($asked->{path}, '/v1/embeddings', 'the provider was asked for it');
is($asked->{json}{model}, 'embed-1', 'by the model');
is($asked->{json}{input}, 'Hi', 'and the input');
ok(!exists $asked->{json}{max_tokens}, 'and nothing of a chat');

$c = $s->ask("/v1/jobs/job_$job");
is_deeply(decode_json($c->body)->{result}{data}, $list->{data},
          'the job has it too');


# both encodings say the same; several inputs, in their order

my @three = (['Hi', 'Ho', 'Hi'], with => { dimensions => 16 });
my ($plain) = embed(@three);
my $packed = embed($three[0], with => { dimensions => 16,
                                        encoding_format => 'base64' });

is(join(',', map { $_->{index} } data($plain)), '0,1,2', 'three inputs');
is(ref((data($packed))[0]{embedding}), '', 'in base64');
is_deeply([floats($packed)],
          [map { [unpack 'f<*', pack 'f<*', @$_] } floats($plain)],
          'the same numbers');
is_deeply((data($plain))[0]{embedding}, (data($plain))[2]{embedding},
          'equal inputs have equal vectors');
isnt("@{ (data($plain))[0]{embedding} }", "@{ (data($plain))[1]{embedding} }",
     'others have others');

is(scalar(data(embed([1, 2, 3]))), 1, 'an array of tokens is one input');
is(scalar(data(embed([[1, 2], [3]]))), 2, 'arrays of tokens are several');
is(scalar(data(embed([('a') x 2048], with => { dimensions => 1 }))), 2048,
   'the most that may be');


# what is refused

for (['no input', undef, 'input'], ['an empty string', '', 'input'],
     ['an empty list', [], 'input'], ['an object', {}, 'input'],
     ['mixed', [1, 'a'], 'input'], ['too many', [('a') x 2049], 'input'],
     ['dimensions', 'a', 'dimensions', dimensions => 0],
     ['an encoding', 'a', 'encoding_format', encoding_format => 'hex'],
     ['a stream', 'a', 'stream', stream => JSON::PP::true],
     ['no model', 'a', 'model', model => undef])
{
    my ($name, $input, $param, %with) = @$_;
    my $c = embed($input, with => \%with);

    is($c->status, 400, "$name: 400");
    is(decode_json($c->body)->{error}{param}, $param, "$name: param");
}

for (['status=400', 400, 'invalid_request_error'],
     ['status=429', 429, 'rate_limit_error'],
     ['status=500', 502, 'server_error'], ['cut=body', 502, 'server_error'],
     ['garbage=json', 502, 'server_error'])
{
    my ($plan, $status, $type) = @$_;
    my $c = embed("[[mock $plan]] Hi");

    is($c->status, $status, "$plan: $status");
    is(decode_json($c->body)->{error}{type}, $type, "$plan: its type");
}

$c = embed('[[mock delay=3000]] Hi', at => '/short');
is($c->status, 504, 'too late');
is($c->header('x-should-retry'), 'false', 'not again');
like(decode_json($c->body)->{error}{message}, qr/job_\w{24}/,
     'it can be fetched as a job');

is($s->ask('/v1/embeddings')->status, 405, 'GET');
is($s->ask('/v1/embeddings')->header('Allow'), 'POST, OPTIONS', 'Allow');


# the cache: one call, each form rendered once

my $q = '[[mock tag=one]] What';
my $first = embed($q, at => '/cached');
is($first->header('Cache-Status'), 'weir; fwd=uri-miss; stored', 'a miss');

my $again = embed($q, at => '/cached');
like($again->header('Cache-Status'), qr/^weir; hit; ttl=\d+$/, 'a hit');
is($again->body, $first->body, 'the same bytes');

my @base64 = map { embed($q, at => '/cached',
                         with => { encoding_format => 'base64' }) } 1 .. 2;
like($_->header('Cache-Status'), qr/^weir; hit/, 'in base64') for @base64;
is($base64[0]->body, $base64[1]->body, 'the same bytes');
is($_->header('Content-Type'), 'application/json', 'of the same type')
    for @base64;
is_deeply([floats($base64[0])],
          [map { [unpack 'f<*', pack 'f<*', @$_] } floats($first)],
          'the same numbers');
is(embed([$q], at => '/cached')->body, $first->body,
   'a list of one is the same question');
is($s->calls('one'), 1, 'one call');

isnt(embed($q, at => '/cached', with => { dimensions => 8 })
         ->header('Cache-Status') =~ /hit/, 1, 'dimensions make another');
is(metric('weir_cache_requests_total{route="embeddings",result="hit"}'), 4,
   'hits are counted');
is(metric('weir_cache_requests_total{route="embeddings",result="miss"}'), 2,
   'and misses');

is(embed('x', at => '/ttl')->header('Cache-Status'), 'weir; fwd=bypass',
   'route=embeddings: not kept');

$s->wait_for(5, sub {
    Weir::Stack::slurp($s->dir . '/seen.log')
        =~ m{^/cached/v1/embeddings 200 embeddings HIT COMPLETED$}m
}, 'the log says so');

my @all = map { request('[[mock tag=many delay=500]] x', at => '/cached',
                        with => $_ % 2 ? { encoding_format => 'base64' } : {}) }
          1 .. 10;
Weir::Client::wait_all(20, @all);
is(scalar(grep { $_->status == 200 } @all), 10, 'ten at once');
is($s->calls('many'), 1, 'one call');
is(scalar(keys %{{ map { $_->body => 1 } @all }}), 2, 'two forms');


# Idempotency-Key

my @key = (headers => ['Idempotency-Key: k']);
is(embed('[[mock tag=key]] a', @key)->body, embed('[[mock tag=key]] a', @key)
                                                ->body, 'with a key');
is($s->calls('key'), 1, 'one call');
is(embed('b', @key)->status, 422, 'another body');


# limits: of what goes in, and nothing else

$c = embed('x' x 4000, at => '/charged');
is($c->status, 200, 'charged') or diag($c->body);
my %left = $c->header('RateLimit') =~ /"(\w+)";r=(\d+)/g;
cmp_ok($left{input}, '<=', 1000000 - 1000, 'input is reserved');
cmp_ok($left{tokens}, '<=', 1000000 - 1000, 'as tokens too');
is($left{output}, 10, 'there is no output');

$s->end;

done_testing();
