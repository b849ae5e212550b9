# A question that was answered is answered again from the cache, in the same
# bytes, and to nobody else.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $s = Weir::Stack->new(
    http => 'weir_cache_zone answers 2m;
             weir_limit_zone $weir_key_id zone=calls:1m rate=1000/s burst=1000;
             log_format cache "[$request_uri $weir_cache_status '
             . '$weir_cache_key $weir_status $weir_job]";
             access_log cache.log cache;',
    location => 'weir_api; weir_cache zone=answers; weir_limit zone=calls;',
    server => 'location /shared { weir_api;
                   weir_cache zone=answers scope=shared:all; }
               location /warm { weir_api;
                   weir_cache zone=answers temperature=any; }
               location /short { weir_api; weir_cache zone=answers;
                   weir_cache_ttl 5m outcome=truncated;
                   weir_cache_ttl 0  model=mock-0*; weir_cache_ttl 1h; }
               location /never { weir_api; weir_cache zone=answers;
                   weir_cache_ttl 0; }
               location /off { weir_api; weir_cache off; }
               location = /metrics { weir_metrics; }');
$s->keys;

my $admin = $s->create_key('carol', 'submit,admin');
my $small = $s->create_key('alice', 'submit', '--models', 'mock-1');

$s->start;



sub raw {
    my ($body, %o) = @_;
    my $key = $o{key} // $s->key;

    return $s->ask(($o{at} // '') . '/v1/chat/completions', no_key => 1,
        headers => ["Authorization: Bearer $key", @{ $o{headers} // [] }],
        body => $body);
}


sub body_of {
    my ($text, %more) = @_;

    return encode_json({ model => 'mock-1', %more, messages => [
        { role => 'user', content => $text }] });
}


sub metric { $s->edge_metric(@_) }


# RC-20: each is a list of RFC 9651 with one member, and hit or forwarded

my $odd = '';

sub what {
    my $value = $_[0]->header('Cache-Status') // return undef;
    my $token = qr/[a-z*][a-z0-9_.*-]*/;
    my $item = qr/-?\d+|"[\x20-\x21\x23-\x5b\x5d-\x7e]*"|$token/;

    $odd .= "$value\n" if $value !~ /^weir(?:; *$token(?:=$item)?)*$/
        || ($value =~ /; hit\b/) == ($value =~ /; fwd=/)
        || ($value =~ /; (?:stored|collapsed)/ && $value !~ /; fwd=/);

    return $value;
}

my $MISS = 'weir; fwd=uri-miss; stored';
my $HIT = qr/^weir; hit; ttl=\d+$/;


# RC-01: the second is a hit, in the same bytes

my $first = raw(body_of('[[mock tag=one]] What is it?'));
is($first->status, 200, 'asked');
is(what($first), $MISS, 'RC-01: stored');

my $again = raw(body_of('[[mock tag=one]] What is it?'));
is($again->status, 200, 'asked again');
like(what($again), $HIT, 'RC-01: a hit');
like($again->header('Age'), qr/^[0-9]$/, 'its age');
is($first->header('Age'), undef, 'which the first one has not');
is($again->body, $first->body, 'RC-01: the same bytes');
is($again->header('Content-Type'), 'application/json', 'of the same type');
is($again->header('Cache-Control'), 'no-store', 'not for other caches');
is($again->header('X-Weir-Job'), undef, 'no job stands behind a hit');
is($s->calls('one'), 1, 'RC-01: one call');

my ($ttl) = what($again) =~ /ttl=(\d+)/;
cmp_ok($ttl, '<=', 6 * 3600, 'six hours at most');
cmp_ok($ttl, '>', 6 * 3600 - 60, 'and nearly all of them');


# the metrics and the log say the same

is(metric('weir_cache_requests_total{route="chat",result="hit"}'), 1, 'a hit');
is(metric('weir_cache_requests_total{route="chat",result="miss"}'), 1,
   'a miss');
is(metric('weir_cache_hits_total{level="memory"}'), 1, 'from memory');
is(metric('weir_cache_saved_tokens_total{kind="output"}'),
   decode_json($first->body)->{usage}{completion_tokens}, 'tokens are saved');

$s->wait_for(5, sub { -s $s->dir . '/cache.log' }, 'a log');
my $log = Weir::Stack::slurp($s->dir . '/cache.log');
like($log, qr{completions MISS [0-9a-f]{64} COMPLETED}, 'logged: a miss');
like($log, qr{completions HIT [0-9a-f]{64} COMPLETED -\]}, 'logged: a hit');


# conditions are for what a GET shows

for my $header ('If-None-Match: *', 'If-Match: "x"',
                'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT')
{
    my $c = raw(body_of('[[mock tag=one]] What is it?'),
                headers => [$header]);
    is($c->status, 200, "RC-17: $header of a POST is not looked at");
    is($c->body, $first->body, 'RC-17: it is answered');
}


# RC-02, RC-03: nobody else, and nobody without a key

my $c = raw(body_of('[[mock tag=one]] What is it?'), key => $s->{other_key});
is($c->status, 200, 'asked by another');
is(what($c), $MISS, 'RC-02: the answer of another owner is none');
is($s->calls('one'), 2, 'RC-02: asked for him');

$c = $s->ask('/v1/chat/completions', no_key => 1,
             body => body_of('[[mock tag=one]] What is it?'));
is($c->status, 401, 'RC-03: no key, no answer');
is(what($c), undef, 'RC-20: and no Cache-Status');
$c = raw(body_of('[[mock tag=one]] What is it?'),
         key => $s->key =~ s/(.)$/$1 eq 'x' ? 'y' : 'x'/er);
is($c->status, 401, 'RC-03: nor with another');


# in a shared scope he has it, and the first scope has not

$c = raw(body_of('[[mock tag=shared]] Hi'), at => '/shared');
is(what($c), $MISS, 'a shared one');
my $d = raw(body_of('[[mock tag=shared]] Hi'), at => '/shared',
            key => $s->{other_key});
like(what($d), $HIT, 'RC-02: which the other owner may have');
is($d->body, $c->body, 'the same bytes');
is(what(raw(body_of('[[mock tag=shared]] Hi'))), $MISS,
   'of a scope of its own');
is($s->calls('shared'), 2, 'two scopes, two calls');


# a key that may not ask the model: also not for what is there

my $large = body_of('[[mock tag=large]] Hi', model => 'mock-2');
is(raw($large)->status, 200, 'another model');
is(raw($large, key => $small)->status, 403, 'not for every key of the owner');
like(what(raw($large)), $HIT, 'and a hit for the others');
like(what(raw(body_of('[[mock tag=one]] What is it?'), key => $small)), $HIT,
     'a hit for that key, of the same owner');


# RC-04: other words for the same

my $text = '[[mock tag=four]] A1';
is(what(raw(qq({"model":"mock-1","messages":[{"role":"user","content":"$text"}],)
            . '"top_p":1,"n":1}')), $MISS, 'the first words');

for (['order', qq({"n":1,"top_p":1,"messages":[{"content":"$text","role":"user"}],)
               . '"model":"mock-1"}'],
     ['space', qq({ "model" : "mock-1",\n"top_p":1,"n":1, "messages": [ )
               . qq({"role":"user","content":"$text"}]}\n)],
     ['escapes', '{"model":"mock-1","messages":[{"role":"user","content":"'
                 . ($text =~ s/A/\\u0041/r) . '"}],"top_p":1,"n":1}'],
     ['numbers', qq({"model":"mock-1","messages":[{"role":"user",)
                 . qq("content":"$text"}],"top_p":1e0,"n":1})],
     ['who asks', qq({"model":"mock-1","messages":[{"role":"user",)
                  . qq("content":"$text"}],"top_p":1,"n":1,"user":"u"})])
{
    my ($name, $words) = @$_;

    for my $try ('by the question', 'by the bytes') {
        like(what(raw($words)), $HIT, "RC-04: $name, $try");
    }
}

is($s->calls('four'), 1, 'RC-04: one call');


# RC-05: another question

for (['text', body_of("$text!")],
     ['model', body_of($text, model => 'mock-9')],
     ['a limit', body_of($text, max_tokens => 7, top_p => 1, n => 1)],
     ['seed', body_of($text, seed => 1, top_p => 1, n => 1)],
     ['what we do not know', body_of($text, new => 1, top_p => 1, n => 1)])
{
    my ($name, $words) = @$_;
    like(what(raw($words)), qr/fwd=uri-miss/, "RC-05: $name");
}


# RC-07: what has no canonical form is refused, and nothing is stored

for (['a key twice', '{"model":"mock-1","model":"mock-1","messages":[]}'],
     ['half a pair', body_of('x') =~ s/"x"/"\\ud800"/r],
     ['2^53 + 1', body_of('x', seed => 9007199254740993)],
     ['NaN', body_of('x') =~ s/\}$/,"seed":NaN}/r],
     ['a mark', "\xef\xbb\xbf" . body_of('x')])
{
    my ($name, $words) = @$_;

    for my $try (1, 2) {
        $c = raw($words);
        is($c->status, 400, "RC-07: $name");
        is(what($c), undef, 'RC-20: without Cache-Status');
    }
}

for my $request ('{"model":"mock-1","model":"mock-1","messages":[]}',
                 body_of('x') =~ s/"x"/"\\ud800"/r,
                 body_of('x', seed => 9007199254740993))
{
    $c = $s->ask('/v1/jobs', body => qq({"request":$request}));
    is($c->status, 400, 'RC-07: so of a job');
    is($c->header('Content-Type'), 'application/problem+json',
       'RC-07: a problem');
}

is(raw(body_of('x', seed => 9007199254740993), at => '/off')->status, 200,
   'without a cache a large number is a number');
is(what(raw(body_of('x'), at => '/off')), undef, 'and nothing is said');


# RC-06: as a stream, of the same answer

my $plain = raw(body_of('[[mock tag=six]] Hi'));
my $stream = raw(body_of('[[mock tag=six]] Hi', stream => JSON::PP::true));
is($stream->header('Content-Type'), 'text/event-stream', 'RC-06: events');
like($stream->body, qr/\n\ndata: \[DONE\]\n\n\z/, 'RC-06: to the end');

my $twice = raw(body_of('[[mock tag=six]] Hi', stream => JSON::PP::true));
like(what($twice), $HIT, 'RC-06: a hit');
is($twice->body, $stream->body, 'RC-06: in the same bytes');
is($twice->header('Content-Type'), 'text/event-stream', 'of its type');

my $usage = raw(body_of('[[mock tag=six]] Hi', stream => JSON::PP::true,
                        stream_options => { include_usage => JSON::PP::true }));
unlike($stream->body, qr/"total_tokens"/, 'RC-06: without the usage');
like($usage->body, qr/"total_tokens"/, 'RC-06: and with it');
like(what(raw(body_of('[[mock tag=six]] Hi'))), $HIT, 'RC-06: and plain again');


# RC-15: what is cut off, refused or failed is not stored

for (['cut off', '[[mock finish=length tag=cut]] Hi', 'cut', 200],
     ['refused', '[[mock finish=content_filter tag=filter]] Hi', 'filter',
      200],
     ['failed', '[[mock status=400 tag=fail]] Hi', 'fail', 400])
{
    my ($name, $words, $tag, $status) = @$_;

    for my $try (1, 2) {
        $c = raw(body_of($words));
        is($c->status, $status, "RC-15: $name");
        is(what($c), 'weir; fwd=uri-miss', 'RC-15: not stored');
        is($s->calls($tag), $try, 'RC-15: asked each time');
    }
}

is(what(raw(body_of('[[mock finish=length tag=cut2]] Hi'), at => '/short')),
   $MISS, 'unless the operator says so');
like(what(raw(body_of('[[mock finish=length tag=cut2]] Hi'), at => '/short')),
     qr/hit; ttl=(29\d|300)$/, 'for its own time');


# RC-16: nor what was asked for with chance

for my $try (1, 2) {
    $c = raw(body_of('[[mock tag=warm]] Hi', temperature => 0.7));
    is(what($c), 'weir; fwd=bypass', 'RC-16: temperature');
    is($s->calls('warm'), $try, 'RC-16: asked each time');
}

is(what(raw(body_of('[[mock tag=cold]] Hi', temperature => 0))), $MISS,
   'RC-16: 0 is none');
like(what(raw(body_of('[[mock tag=cold]] Hi', temperature => 0.0))), $HIT,
     'RC-16: a hit');
is(what(raw(body_of('[[mock tag=any]] Hi', temperature => 1), at => '/warm')),
   $MISS, 'RC-16: where it is allowed');
like(what(raw(body_of('[[mock tag=any]] Hi', temperature => 1),
              at => '/warm')), $HIT, 'RC-16: a hit');

for my $try (1, 2) {
    is(what(raw(body_of('Hi', model => 'mock-0'), at => '/short')),
       'weir; fwd=uri-miss', 'a model whose answers are not kept');
    is(what(raw(body_of('Hi'), at => '/never')), 'weir; fwd=bypass',
       'where nothing is kept at all');
}


# a key of the client's means its own job; what comes is stored all the same

$c = raw(body_of('[[mock tag=idem]] Hi'), headers => ['Idempotency-Key: k1']);
is(what($c), 'weir; fwd=bypass; stored', 'with an Idempotency-Key');
like(what(raw(body_of('[[mock tag=idem]] Hi'))), $HIT, 'stored');
$c = raw(body_of('[[mock tag=idem]] Hi'), headers => ['Idempotency-Key: k2']);
is(what($c), 'weir; fwd=bypass; stored', 'another key, another job');
is($s->calls('idem'), 2, 'two calls');


# RC-19: nothing of the first request is in the answer to the second

$c = raw(body_of('[[mock tag=nineteen]] Hi'), headers => [
         'X-Request-Id: first-one', 'Traceparent: 00-'
         . '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
         'Cookie: a=b']);
my $limit = $c->header('RateLimit');

$d = raw(body_of('[[mock tag=nineteen]] Hi'),
         headers => ['X-Request-Id: second-one']);
like(what($d), $HIT, 'a hit');
is($d->header('X-Request-Id'), 'second-one', 'RC-19: its own request id');
is($d->header($_), undef, "RC-19: no $_")
    for qw(Set-Cookie Traceparent Idempotent-Replayed X-Weir-Job);
unlike($d->head . $d->body, qr/first-one|0af7651916cd43dd/,
       'RC-19: no trace of the first');
like($d->header('RateLimit'), qr/"calls";r=\d+/, 'RC-19: its own limit');


# RC-20: hit or forward, never both; and the key only for those who may

for my $value (map { what($_) } $first, $again, $c, $d) {
    ok(($value =~ /; hit/) != ($value =~ /; fwd=/), "RC-20: $value");
    unlike($value, qr/key=/, 'RC-20: without the key');
}

raw(body_of('[[mock tag=adm]] Hi'), key => $admin);
$c = raw(body_of('[[mock tag=adm]] Hi'), key => $admin);
like(what($c), qr/^weir; hit; ttl=\d+; key="[0-9a-f]{64}"$/,
     'RC-20: with the key for a key of scope admin');


is($odd, '', 'RC-20: all of them are well formed');


# without Redis what is stored is answered, and nothing else

$s->expect(qr/weir: /);
$s->signal('redis', 'KILL');

like(what(raw(body_of('[[mock tag=one]] What is it?'))), $HIT,
     'without Redis: by the bytes');
is(raw(body_of('[[mock tag=none]] Hi'))->status, 503, 'what is not there: 503');

$s->end;
done_testing();
