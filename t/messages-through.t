# The client and the provider both speak the Anthropic dialect: nothing that one
# of them says is lost on the way to the other.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Mock qw(events blocks);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', dialect => 'anthropic',
                             worker => 'attempts = 1')->start;

my @version = ('anthropic-version: 2023-06-01');
my $cache = { type => 'ephemeral', ttl => '1h' };

my %body = (
    model => 'claude-x', max_tokens => 2000, temperature => 0.5, top_k => 5,
    thinking => { type => 'enabled', budget_tokens => 1024 },
    metadata => { user_id => 'u' }, stop_sequences => ['#'],
    service_tier => 'auto',
    system => [{ type => 'text', text => 'Be brief.',
                 cache_control => $cache }],
    tools => [{ name => 'f', description => 'F', cache_control => $cache,
                input_schema => { type => 'object' } },
              { type => 'web_search_20250305', name => 'web_search',
                max_uses => 2 }],
    tool_choice => { type => 'auto', disable_parallel_tool_use => \1 },
    messages => [
        { role => 'user', content => [
            { type => 'text', text => 'Grüße', cache_control => $cache },
            { type => 'document', title => 'd',
              source => { type => 'text', media_type => 'text/plain',
                          data => 'words' },
              citations => { enabled => \1 } },
            { type => 'image', source => { type => 'url',
                                           url => 'https://h/a.png' } }] },
        { role => 'assistant', content => [
            { type => 'thinking', thinking => 'Well', signature => 'c2ln' },
            { type => 'redacted_thinking', data => 'cmVk' },
            { type => 'text', text => 'Let me see.' },
            { type => 'tool_use', id => 't1', name => 'f',
              input => { x => [1, { y => undef }] } }] },
        { role => 'user', content => [
            { type => 'tool_result', tool_use_id => 't1', is_error => \1,
              content => 'no' },
            { type => 'text', text => 'Again' }] }],
);


sub ask {
    my (%more) = @_;

    return $stack->ask('/v1/messages', headers => \@version,
                       body => encode_json({ %body, %more }));
}


# the call is the request

my $c = ask();
is($c->status, 200, 'answered') or diag($c->body);

my $last = decode_json($stack->mock('/mock/last')->body);
is($last->{path}, '/v1/messages', 'where it was asked');
is_deeply($last->{json}, decode_json(encode_json(\%body)), 'nothing is lost');


# the answer is the reply

for my $plan ('', 'thinking=3', 'thinking=2 preface=2 tool=f tools=2',
              'size=300 cached=7', 'finish=refusal', 'finish=pause_turn',
              'words=wide size=99')
{
    my @messages = (messages => [{ role => 'user',
                                   content => "[[mock $plan]] Hi" }]);
    my $plain = sub {
        my ($doc) = @_;
        delete $doc->{id};
        delete $_->{id} for @{ $doc->{content} };
        return $doc;
    };

    my $want = $plain->(decode_json($stack->mock('/v1/messages',
        headers => \@version, body => encode_json({ %body, @messages }))
        ->body));

    is_deeply($plain->(decode_json(ask(@messages)->body)), $want,
              "\"$plan\": the message");

    my $e = events(ask(@messages, stream => \1)->body);
    my $blocks = blocks($e);

    for (@$blocks) {
        delete $_->{id};
        my $input = delete $_->{partial_json};
        $_->{input} = decode_json($input) if $input;
    }

    is_deeply($blocks, $want->{content}, "\"$plan\": as events");
    is($e->{events}[-1]{name}, 'message_stop', 'with their end');
    is($e->{events}[-2]{json}{delta}{stop_reason}, $want->{stop_reason},
       'and its reason');
}

$stack->end;

done_testing();
