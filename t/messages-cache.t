# One question, put as a chat completion and as a message: one call of the LLM,
# one answer that is kept, and each client has it in its own form.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Askers qw(what);
use Weir::Stack;

my $s = Weir::Stack->new(
    http => 'weir_cache_zone answers 2m;
             weir_limit_zone $weir_key_id zone=tokens:1m scope=fleet
                             quota=1000000/day count=tokens;',
    location => 'weir_api; weir_cache zone=answers;',
    worker => 'attempts = 1',
    server => 'location /ttl/ { weir_api; weir_cache zone=answers;
                   weir_cache_ttl 0 route=messages; weir_cache_ttl 1h; }
               location /charged/ { weir_api; weir_cache zone=answers;
                   weir_limit zone=tokens; }
               location = /metrics { weir_metrics; }');

$s->start;

my $true = JSON::PP::true;


sub request {
    my ($route, $text, %o) = @_;

    return $s->request(($o{at} // '') . "/v1/$route", body => encode_json({
        model => 'mock-1', max_tokens => 100,
        messages => [{ role => 'user', content => $text }],
        %{ $o{with} // {} } }),
        headers => $o{headers} // []);
}


sub chat    { my $c = request('chat/completions', @_); $c->wait(10); $c }
sub message { my $c = request('messages', @_); $c->wait(10); $c }

sub text_of {
    my $doc = decode_json($_[0]->body);
    return $doc->{choices} ? $doc->{choices}[0]{message}{content}
                           : $doc->{content}[0]{text};
}

sub metric { $s->edge_metric(@_) }

my $MISS = 'weir; fwd=uri-miss; stored';
my $HIT = qr/^weir; hit; ttl=\d+$/;


# asked as a completion, answered as a message from what is kept in Redis, then
# from memory: each form is rendered once

my $q = '[[mock tag=one]] What is it?';
my $chat = chat($q);
is($chat->status, 200, 'a completion');
is(what($chat), $MISS, 'a miss');

my $first = message($q);
is($first->status, 200, 'the same as a message') or diag($first->body);
like(what($first), $HIT, 'a hit');
is(metric('weir_cache_hits_total{level="redis"}'), 1, 'from Redis');

my $message = decode_json($first->body);
is($message->{type}, 'message', 'in its form');
is(text_of($first), text_of($chat), 'the same text');
is($message->{id} =~ s/^msg_//r,
   decode_json($chat->body)->{id} =~ s/^chatcmpl-//r, 'of the same run');
ok($first->header('request-id'), 'request-id');

my $again = message($q);
like(what($again), $HIT, 'again');
is($again->body, $first->body, 'the same bytes');
is(metric('weir_cache_hits_total{level="memory"}'), 1, 'from memory');

is(chat($q)->body, $chat->body, 'and the completion is still there');
is($s->calls('one'), 1, 'one call');

is(metric('weir_cache_requests_total{route="messages",result="hit"}'), 2,
   'counted as messages');
is(metric('weir_cache_requests_total{route="chat",result="miss"}'), 1,
   'and as completions');
is(metric('weir_cache_requests_total{route="chat",result="hit"}'), 1,
   'each by its own');


# and with events: four forms, one call

my @forms = map { my $f = $_; map { $f->($q, with => { stream => $_ }) }
                  JSON::PP::false, $true, $true } \&chat, \&message;

is(join(' ', map { $_->header('Content-Type') =~ m{(\w+)$} } @forms),
   'json stream stream json stream stream', 'each in its framing');
like(what($_), $HIT, 'a hit') for @forms;
is($forms[2]->body, $forms[1]->body, 'the same events of a completion');
is($forms[5]->body, $forms[4]->body, 'the same events of a message');
like($forms[4]->body, qr/^event: message_start\n.*message_stop"}\n\n$/s,
     'its events');
like($forms[1]->body, qr/^data: \{.*\n\ndata: \[DONE\]\n\n$/s, "OpenAI's");
is($s->calls('one'), 1, 'one call');


# the other way round, with what both have words for

my $with = { temperature => 0, top_p => 1 };
my $body = '[[mock tag=two]] x';

is(what(message($body, with => { %$with, system => 'S',
                                 stop_sequences => ['a'] })), $MISS,
   'a message');
my $c = $s->ask('/v1/chat/completions', body => encode_json({
    model => 'mock-1', max_tokens => 100, %$with, stop => 'a', messages => [
        { role => 'system', content => 'S' },
        { role => 'user', content => [{ type => 'text', text => $body }] }] }));
like(what($c), $HIT, 'as a completion');
is(decode_json($c->body)->{object}, 'chat.completion', 'in its form');
is($s->calls('two'), 1, 'one call');

$c = $s->ask('/v1/jobs', headers => ['Prefer: wait=5'], body => encode_json({
    dialect => 'anthropic', request => {
        model => 'mock-1', max_tokens => 100, %$with, system => 'S',
        stop_sequences => ['a'],
        messages => [{ role => 'user', content => $body }] } }));
is(decode_json($c->body)->{cached}, $true, 'as a job');
is($s->calls('two'), 1, 'one call');

# what differs is another question

for (['max_tokens', max_tokens => 99], ['top_p', top_p => 0.5],
     ['tool_choice', tool_choice => { type => 'auto' }])
{
    my ($name, @more) = @$_;
    is(what(message($body, with => { %$with, system => 'S',
                                     stop_sequences => ['a'], @more })),
       $MISS, "$name: another question");
}

is(what(message($body, with => { %$with, system => 'S',
       stop_sequences => ['a'], metadata => { user_id => 'u' },
       service_tier => 'auto' })) =~ $HIT ? 1 : 0, 1, 'who asks does not count');


# so it is with tools, their calls and results, and images

my $schema = { type => 'object', properties => { x => {} } };
my $png = 'iVBORw0KGgo=';

is(what(message('', with => { tools => [{ name => 'f', description => 'd',
        input_schema => $schema }], messages => [
    { role => 'user', content => [
        { type => 'text', text => '[[mock tag=tools]] See' },
        { type => 'image', source => { type => 'base64',
          media_type => 'image/png', data => $png } }] },
    { role => 'assistant', content => [
        { type => 'tool_use', id => 'c1', name => 'f',
          input => { x => 1 } }] },
    { role => 'user', content => [
        { type => 'tool_result', tool_use_id => 'c1', content => '42' }] },
    ] })), $MISS, 'tools: a message');

like(what(chat('', with => { tools => [{ type => 'function', function => {
        name => 'f', description => 'd', parameters => $schema } }],
        messages => [
    { role => 'user', content => [
        { type => 'text', text => '[[mock tag=tools]] See' },
        { type => 'image_url',
          image_url => { url => "data:image/png;base64,$png" } }] },
    { role => 'assistant', tool_calls => [
        { id => 'c1', type => 'function', function => {
          name => 'f', arguments => '{"x":1}' } }] },
    { role => 'tool', tool_call_id => 'c1', content => '42' },
    ] })), $HIT, 'the same as a completion');
is($s->calls('tools'), 1, 'tools: one call');


# at the same time: they share a run, and each has its form

my @all = map { request($_ % 2 ? 'messages' : 'chat/completions',
                        '[[mock tag=both delay=700]] Hi',
                        with => { stream => $_ % 4 > 1 ? $true
                                                       : JSON::PP::false }) }
          1 .. 20;
Weir::Client::wait_all(20, @all);

is(scalar(grep { $_->status == 200 } @all), 20, 'twenty at once');
is($s->calls('both'), 1, 'one call');
is(scalar(grep { what($_) =~ /collapsed/ } @all), 19, 'nineteen join');

my %bodies;
$bodies{$_->body}++ for @all;
is_deeply([values %bodies], [5, 5, 5, 5], 'four forms, each the same bytes');


# while it comes: one call, and each reads its own stream of it

my %live = map { $_ => request($_, '[[mock tag=live tokens=30 every=50]] Hi',
                               with => { stream => $true }) }
           qw(messages chat/completions);

for my $route (sort keys %live) {
    my $c = $live{$route};
    ok($c->wait(5, qr/tok.*tok/s), "$route: text");
    unlike($c->body, qr/message_stop|DONE/, "$route: before its end");
}

Weir::Client::wait_all(20, values %live);

my $events = $live{messages}->body;
is(join('', $events =~ /"text_delta","text":"([^"]*)"/g), 'tok ' x 30,
   'messages: all of it');
like($events, qr/message_stop"}\n\n$/, 'messages: to the end');
$events = $live{'chat/completions'}->body;
is(join('', $events =~ /"content":"([^"]*)"/g), 'tok ' x 30,
   'chat/completions: all of it');
like($events, qr/\[DONE\]\n\n$/, 'chat/completions: to the end');
is($s->calls('live'), 1, 'one call');

# one that breaks off is kept for nobody

%live = map { $_ => request($_, '[[mock tag=cut tokens=30 every=30 cut=body]] x',
                            with => { stream => $true }) }
        qw(messages chat/completions);
Weir::Client::wait_all(20, values %live);

like($live{messages}->body, qr/\nevent: error\ndata: \{"type":"error".*\n\n$/,
     'messages: an error');
unlike($live{messages}->body, qr/message_stop/, 'messages: no end');
like($live{'chat/completions'}->body, qr/\ndata: \{"error":\{.*\n\n$/,
     'chat/completions: an error');
unlike($live{'chat/completions'}->body, qr/DONE/, 'chat/completions: no end');
is($s->calls('cut'), 1, 'one call');
unlike(what(message('[[mock tag=cut tokens=30 every=30 cut=body]] x')) // '',
       qr/hit/, 'which is not kept');


# and they fail together, each in its dialect

@all = map { request($_ % 2 ? 'messages' : 'chat/completions',
                     '[[mock tag=bad status=400 delay=700]] Hi') } 1 .. 6;
Weir::Client::wait_all(20, @all);

is(scalar(grep { $_->status == 400 } @all), 6, 'six are refused');
is($s->calls('bad'), 1, 'one call');
is(scalar(grep { exists decode_json($_->body)->{type} } @all), 3,
   "three in Anthropic's dialect");
is(scalar(grep { $_->header('request-id') } @all), 3, 'with request-id');


# what may not be kept of messages is not shared with them either

is(what(chat('[[mock tag=ttl]] x', at => '/ttl')), $MISS, 'route=messages');
is(what(message('[[mock tag=ttl]] x', at => '/ttl')), 'weir; fwd=bypass',
   'goes round the cache');
is($s->calls('ttl'), 2, 'two calls');


# only-if-cached, and nothing is

$c = message('[[mock tag=never]] x', headers => ['Cache-Control: only-if-cached']);
is($c->status, 504, 'only-if-cached');
is(decode_json($c->body)->{error}{type}, 'timeout_error', 'its type');
is($c->header('x-should-retry'), 'false', 'not again');


# tokens: a miss is charged by its bound, a hit is not

sub left {
    my ($c) = @_;
    return $c->header('anthropic-ratelimit-tokens-remaining')
           // $c->header('x-ratelimit-remaining-tokens');
}

$c = message('[[mock tag=charge]] x', at => '/charged',
             with => { max_tokens => 1000 });
is($c->header('anthropic-ratelimit-tokens-limit'), 1000000, 'the limit');

my $before = left($c);
cmp_ok($before, '<=', 999000, 'max_tokens are reserved');

$c = message('[[mock tag=charge]] x', at => '/charged',
             with => { max_tokens => 1000 });
like(what($c), $HIT, 'a hit');

my $after = left(message('[[mock tag=charge]] y', at => '/charged',
                         with => { max_tokens => 1000 }));
cmp_ok($after, '>=', $before - 1100, 'costs nothing');

$s->end;

done_testing();
