# A provider that is asked for events: the answer is the one that it gives in
# one piece, and a stream that broke off is none.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    provider => 'stream = on',
    worker => "attempts = 2\n    backoff = 10ms");

$stack->start;


sub ask {
    my ($plan, %more) = @_;

    return $stack->ask('/v1/chat/completions', body => encode_json({
        model => 'mock-1', %more,
        messages => [{ role => 'user',
                       content => "[[mock $plan]] Grüße \x{1f30a}" }] }));
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

    my $c = ask("tag=$tag $plan", @$more);
    is($c->status, 200, "$name: 200") or diag($c->body);

    my ($got, $want) = (decode_json($c->body),
                        direct("tag=what-$n $plan", @$more));

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

    my $c = ask("tag=$tag times=1 $plan");
    is($c->status, 200, "$plan once: 200") or diag($c->body);
    is($stack->calls($tag), 2, 'asked twice');

    $c = ask("tag=$tag-2 $plan");
    is($c->status, 502, "$plan: 502");
    like(decode_json($c->body)->{error}{message}, $message, 'says why');
    is($stack->calls("$tag-2"), 2, 'asked twice');
}


# too large

my $c = ask('garbage=huge');
is($c->status, 502, 'an event of 20 MB: 502');


# nothing is said of tokens

my $usage = decode_json(ask('usage=none size=400')->body)->{usage};
is($usage->{completion_tokens}, 100, 'tokens of the answer: estimated');
cmp_ok($usage->{prompt_tokens}, '>', 0, 'and of the question');

$stack->end;

done_testing();
