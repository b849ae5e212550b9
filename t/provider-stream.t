# A provider that is asked for events: the answer is the one that it gives in
# one piece, and a stream that broke off is none.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    worker => "attempts = 2\n    backoff = 10ms");

$stack->start;


# a job, waited for

sub ask {
    my ($plan, %more) = @_;

    return decode_json($stack->ask('/v1/jobs', timeout => 30,
        headers => ['Prefer: wait=30'],
        body => encode_json({ request => {
            model => 'mock-1', %more,
            messages => [{ role => 'user',
                       content => "[[mock $plan]] Grüße \x{1f30a}" }] } }))
        ->body);
}


# what the mock says to the same question when nobody stands between

sub direct {
    my ($plan, %more) = @_;

    return decode_json($stack->mock('/v1/chat/completions',
        body => encode_json({ model => 'mock-1', %more, messages => [
            { role => 'user',
              content => "[[mock $plan]] Grüße \x{1f30a}" }] }))->body);
}


my @tools = (tools => [{ type => 'function',
                         function => { name => 'f', parameters => {} } }]);
my $n = 0;

for (['', []], ['size=100000', []], ['', [n => 3]], ['', [max_tokens => 1]],
     ['tool=f', \@tools], ['finish=content_filter', []], ['tokens=3', []],
     ['trickle=1 size=600', []])
{
    my ($plan, $more) = @$_;
    my $name = "\"$plan\" @{[ grep { !ref } @$more ]}";
    my $tag = 'same-' . ++$n;

    my $job = ask("tag=$tag $plan", @$more);
    is($job->{status}, 'completed', "$name: completed");

    my ($got, $want) = ($job->{result}, direct("tag=what-$n $plan", @$more));

    delete $_->{id}                                 # the mock counts them
        for map { @{ $_->{message}{tool_calls} // [] } }
            map { @{ $_->{choices} } } $got, $want;

    is_deeply($got->{$_}, $want->{$_}, "$name: $_") for qw(choices usage model);
    is($stack->calls($tag), 1, "$name: asked once");
}

ask('');
my $last = decode_json($stack->mock('/mock/last')->body);
ok($last->{json}{stream}, 'events were asked for');
ok($last->{json}{stream_options}{include_usage}, 'with the usage');


# what is no whole stream is asked for again, and then given up

for (['cut=body', qr/./], ['cut=headers', qr/./], ['garbage=json', qr/./],
     ['garbage=utf8', qr/./], ['garbage=empty', qr/./],
     ['garbage=html', qr/./], ['garbage=binary', qr/./])
{
    my ($plan, $message) = @$_;
    my $tag = $plan =~ s/\W/-/gr;

    my $job = ask("tag=$tag times=1 $plan");
    is($job->{status}, 'completed', "$plan once: completed");
    is($stack->calls($tag), 2, 'asked twice');

    $job = ask("tag=$tag-2 $plan");
    is($job->{status}, 'failed', "$plan: failed");
    like($job->{error}{message}, $message, 'says why');
    is($stack->calls("$tag-2"), 2, 'asked twice');
}


# too large

my $job = ask('garbage=huge');
is($job->{status}, 'failed', 'an event of 20 MB: failed');
is($job->{error}{code}, 'upstream_invalid', 'says why');


# nothing is said of tokens

my $usage = ask('usage=none size=400')->{result}{usage};
is($usage->{completion_tokens}, 100, 'tokens of the answer: estimated');
cmp_ok($usage->{prompt_tokens}, '>', 0, 'and of the question');



# who waits for the whole answer is not streamed

$stack->ask('/v1/chat/completions', body => encode_json({ model => 'mock-1',
    messages => [{ role => 'user', content => 'Hi' }] }));
$last = decode_json($stack->mock('/mock/last')->body);
ok(!$last->{json}{stream}, 'held: the answer in one piece');

$stack->end;


# a stream may last, but it must begin, and go on; what ended how is counted

$stack = Weir::Stack->new(location => 'weir_api;',
    worker => "attempts = 2\n    backoff = 10ms",
    provider => "timeout = 1s\n    stream_timeout = 600ms");
$stack->start;

sub asks {
    my ($plan, $calls, $error) = @_;

    my $tag = 'time-' . ++$n;
    my $job = ask("tag=$tag $plan");

    is($job->{error}{code}, $error, "$plan: " . ($error // 'completed'));
    is($stack->calls($tag), $calls, 'asked for so often');

    return $job;
}

my $long = asks('tokens=40 every=50', 1);
is(length $long->{result}{choices}[0]{message}{content}, 160,
   'longer than "timeout": whole');
asks('delay=1500', 2, 'timeout');
asks('delay=700 tokens=3', 1);
asks('pause=1500 after=3 tokens=10 times=1', 2);
asks('pause=1500 after=3 tokens=10', 2, 'timeout');
asks('pause=400 after=3 tokens=10', 1);
asks('every=800 comment=1 tokens=4', 2, 'timeout');
asks('thinking=20 every=50 tokens=10', 1);
asks('stream=never delay=1500', 2, 'timeout');
asks('stream=never trickle=1 size=600', 1);
$stack->wait_for(5, sub {
    $stack->mock_calls->{open} == 0;
}, 'no call is open');
pass('all calls are closed');

my $at = $stack->metric('provider_streams_total{end="whole"}');
is($at, 5, 'whole streams');
is($stack->metric('provider_streams_total{end="failed"}'), 5,
   'those that did not go on');
is($stack->metric('provider_first_token_seconds_count'), 10,
   'times to the first piece');
is($stack->metric('provider_first_token_seconds_bucket{le="0.5"}'), 7,
   'one was slow');
is($stack->metric('provider_tokens_per_second_count'), 5, 'speeds');
is($stack->metric('provider_tokens_per_second_bucket{le="10"}'), 0,
   'none below 10 a second');
asks('stop=text tokens=10', 2, 'upstream_truncated');
is($stack->metric('provider_streams_total{end="truncated"}'), 2,
   'cut off');

$stack->end;

done_testing();
