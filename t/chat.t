# A chat completion from end to end: what the client sends reaches the LLM, and
# what that says comes back, in OpenAI's form.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    server => 'location /short/ { weir_api; weir_max_wait 1s; }
               location = /metrics { weir_metrics; }');

$stack->start;

my $path = '/v1/chat/completions';


sub chat {
    my ($text, %o) = @_;

    my $body = encode_json({
        model => 'mock-1', %{ $o{with} // {} },
        messages => $o{messages} // [{ role => 'user', content => $text }],
    });

    return $stack->ask($o{path} // $path, body => $body,
                       headers => $o{headers} // []);
}


# the answer, member by member

my $c = chat('Hi', headers => ['X-Request-Id: from-the-client']);

is($c->status, 200, 'answered');
is($c->header('Content-Type'), 'application/json', 'media type');
is($c->header('X-Request-Id'), 'from-the-client', 'request id');
like($c->header('X-Weir-Job'), qr/^job_\w{24}$/, 'job');
is($c->header('Content-Length'), length $c->body, 'length');

my $answer = decode_json($c->body);

like($answer->{id}, qr/^chatcmpl-\w+$/, 'id');
is($answer->{object}, 'chat.completion', 'object');
cmp_ok(abs($answer->{created} - time), '<', 60, 'created');
is($answer->{model}, 'mock-1', 'model');
is_deeply($answer->{choices}[0]{message},
          { role => 'assistant', content => 'Echo: Hi', refusal => undef },
          'message') or diag(explain($answer->{choices}));
is($answer->{choices}[0]{index}, 0, 'index');
is($answer->{choices}[0]{finish_reason}, 'stop', 'finish reason');
is($answer->{usage}{prompt_tokens}, 1, 'prompt tokens');
is($answer->{usage}{completion_tokens}, 2, 'completion tokens');
is($answer->{usage}{total_tokens}, 3, 'total tokens');


# what the LLM was asked

chat(undef, with => { temperature => 0.5, top_p => 1, max_tokens => 100,
                      seed => 7, stop => 'END', user => 'u-1',
                      logit_bias => { 5 => -1 }, n => 1 },
     messages => [
         { role => 'system', content => 'Be brief.' },
         { role => 'user', name => 'ann',
           content => [{ type => 'text', text => 'Grüße 😀' },
                       { type => 'image_url',
                         image_url => { url => 'https://x/y.png',
                                        detail => 'low' } }] },
         { role => 'assistant', content => undef, tool_calls => [
             { id => 'c1', type => 'function',
               function => { name => 'f', arguments => '{"a":1}' } }] },
         { role => 'tool', tool_call_id => 'c1', content => '42' },
         { role => 'user', content => 'Go' }]);

my $last = decode_json($stack->mock('/mock/last')->body);
my $asked = $last->{json};

is($last->{headers}{authorization}, 'Bearer mock', "the provider's key");
unlike(encode_json($last), qr/\Q@{[ $stack->key ]}\E/,
       "and nothing of the client's");
is($asked->{model}, 'mock-1', 'model');
is($asked->{temperature}, 0.5, 'temperature');
is($asked->{max_tokens}, 100, 'max_tokens');
is($asked->{seed}, 7, 'seed');
is_deeply($asked->{stop}, ['END'], 'stop');
is($asked->{user}, 'u-1', 'a member that only the dialect knows');
is_deeply($asked->{logit_bias}, { 5 => -1 }, 'another one');
is_deeply($asked->{messages}[0], { role => 'system', content => 'Be brief.' },
          'system message');
is($asked->{messages}[1]{name}, 'ann', 'name');
is_deeply($asked->{messages}[1]{content}[1]{image_url},
          { url => 'https://x/y.png', detail => 'low' }, 'image');
is($asked->{messages}[1]{content}[0]{text}, 'Grüße 😀', 'text');
is($asked->{messages}[2]{tool_calls}[0]{function}{arguments}, '{"a":1}',
   'tool call');
is($asked->{messages}[3]{tool_call_id}, 'c1', 'tool result');


# forms of answers

$answer = decode_json(chat('Grüße 😀')->body);
is($answer->{choices}[0]{message}{content}, 'Echo: Grüße 😀', 'any text');

$answer = decode_json(chat('Hi', with => { n => 3 })->body);
is_deeply([map { $_->{index} } @{ $answer->{choices} }], [0, 1, 2],
          'three choices');

$answer = decode_json(chat('one two three four five six seven',
                           with => { max_tokens => 2 })->body);
is($answer->{choices}[0]{finish_reason}, 'length', 'cut by max_tokens');

$answer = decode_json(chat('[[mock tool=f]] Hi', with => { tools => [
    { type => 'function', function => { name => 'f' } }] })->body);
is($answer->{choices}[0]{finish_reason}, 'tool_calls', 'a tool is called');
is($answer->{choices}[0]{message}{tool_calls}[0]{function}{name}, 'f',
   'by its name');
is($answer->{choices}[0]{message}{content}, undef, 'without a text');

for my $size (1, 2000, 2048, 5000, 300000) {
    $answer = decode_json(chat("[[mock size=$size]] Hi")->body);
    is(length $answer->{choices}[0]{message}{content}, $size,
       "an answer of $size bytes");
}

for my $usage (qw(none negative huge)) {
    $c = chat("[[mock usage=$usage]] Hi");
    is($c->status, 200, "usage=$usage harms nobody");
    cmp_ok(decode_json($c->body)->{usage}{prompt_tokens}, '>=', 0,
           'and is no nonsense');
}

$answer = decode_json(chat('[[mock finish=content_filter]] Hi')->body);
is($answer->{choices}[0]{finish_reason}, 'content_filter', 'filtered');


# many at once: each gets its own

my @all = map {
    $stack->request($path, body => encode_json({
        model => 'mock-1', messages => [
            { role => 'user', content => "[[mock delay=20]] number $_." }] }))
} 1 .. 200;

ok(Weir::Client::wait_all(20, @all), '200 at once are answered');
is(scalar(grep {
    $all[$_ - 1]->status == 200
        && $all[$_ - 1]->body =~ /"Echo: *number $_\."/
} 1 .. 200), 200, 'each with its own answer');


# longer than the wait: 504, and the answer is fetched as a job

$c = chat('[[mock tag=long delay=1500]] Hi', path => "/short$path");
is($c->status, 504, 'longer than weir_max_wait: 504');
is($c->header('x-should-retry'), 'false', 'not again');
is(decode_json($c->body)->{error}{code}, 'timeout', 'code');

my $job = $c->header('X-Weir-Job');
$c = $stack->ask("/v1/jobs/$job", headers => ['Prefer: wait=5']);
is(decode_json($c->body)->{status}, 'completed', 'the job goes on');
like(decode_json($c->body)->{result}{choices}[0]{message}{content},
     qr/^Echo: *Hi$/, 'and has the answer');
is($stack->calls('long'), 1, 'the LLM was asked once');

my %state = map { /^(weir_requests_parked) (\d+)/ ? ($1 => $2) : () }
            split /\n/, $stack->ask('/metrics')->body;
is($state{weir_requests_parked}, 0, 'nobody is left');

$stack->end;

done_testing();
