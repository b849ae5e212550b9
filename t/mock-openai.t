# The mock LLM as OpenAI: what its answers can consist of, whole and as
# events.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Mock;

my $m = Weir::Mock->new;
my @tools = (tools => [{ type => 'function', function => { name => 'f' } }]);
my @usage = (stream_options => { include_usage => \1 });


sub choices { map { @{ $_->{json}{choices} // [] } } @{ $_[0]{events} } }


# the whole and the stream tell the same, for each choice

for (['text', 'Hi ü'],
     ['choices', 'Hi you', n => 3],
     ['choices that differ', '[[mock vary=1]] Hi you', n => 4],
     ['nothing', '[[mock size=0]]'],
     ['max_tokens', '[[mock size=100]]', max_tokens => 3],
     ['a tool', '[[mock tool=f]]', @tools],
     ['tools', '[[mock tool=f tools=3 args={"a":"b"} pieces=4]]', @tools],
     ['tools of choices', '[[mock tool=f tools=2 turns=1]]', @tools, n => 2],
     ['turns', '[[mock tool=f tools=2 args={"a":"b"} pieces=5 turns=1]]',
      @tools],
     ['wide', '[[mock words=wide size=70]]'],
     ['wide tool', '[[mock words=wide tool=f pieces=256]]', @tools],
     ['all', '[[mock tool=f tools=2 turns=1 preface=3 thinking=2]]', @tools],
     ['thinking', '[[mock thinking=3]] x'])
{
    my ($name, @ask) = @$_;

    my $whole = decode_json($m->openai(@ask)->body);
    my $e = events($m->openai(@ask, stream => \1, @usage)->body);

    is(pop(@{ $e->{events} })->{data}, '[DONE]', "$name: the end marker");
    is_deeply($e->{events}[-1]{json}{usage}, $whole->{usage},
              "$name: the same usage");

    for my $choice (@{ $whole->{choices} }) {
        my $i = $choice->{index};
        my $message = $choice->{message};
        my @mine = grep { $_->{index} == $i } choices($e);

        is(openai_text($e, $i), $message->{content} // '',
           "$name: the same text of $i");
        is(join('', map { $_->{delta}{reasoning_content} // '' } @mine),
           $message->{reasoning_content} // '', "$name: the same thinking");
        is($mine[0]{delta}{role}, 'assistant', "$name: the role is first");
        is($mine[-1]{finish_reason}, $choice->{finish_reason},
           "$name: the same reason");

        my @wants = map { [$_->{function}{name}, $_->{function}{arguments}] }
                    @{ $message->{tool_calls} // [] };
        my @calls = @{ openai_tools($e, $i) };
        my %ids = map { $_->[0] => 1 } @calls;

        is_deeply([map { [@$_[1, 2]] } @calls], \@wants,
                  "$name: the same calls");
        is(keys %ids, @calls, "$name: each with an id of its own");
    }
}


# choices take turns, and one ends before another

my $e = events($m->openai('[[mock vary=1]] Hi', n => 3, stream => \1)->body);
is(join('', map { $_->{index} } choices($e)), '012012012012122',
   'choices in turns');
is(openai_text($e, 2), 'Echo: Hi #1 #2', 'what the last one says');
is(openai_text($e, 0), 'Echo: Hi', 'and the first');
is(join('', map { $_->{index} } grep { $_->{finish_reason} } choices($e)),
   '012', 'they end one by one');


# each call of a tag has its number in all that it says

for my $turn (1, 2) {
    my $e = events($m->openai('[[mock tag=counted counted=2]] Hi',
                              stream => \1)->body);
    is(openai_text($e), "Echo: Hi $turn.1 $turn.2", "counted, call $turn");
}


# calls of tools take turns as well, if they shall

for my $turns (0, 1) {
    my $e = events($m->openai("[[mock tool=f tools=2 pieces=3 turns=$turns "
                              . 'args={"a":"b"}]]', @tools,
                              stream => \1)->body);
    my @order = map { map { $_->{index} } @{ $_->{delta}{tool_calls} // [] } }
                choices($e);

    is("@order", $turns ? '0 1 0 1 0 1 0 1' : '0 0 0 0 1 1 1 1',
       "turns=$turns");
}


# who brings the result of a tool gets an answer

my $c = $m->ask('/v1/chat/completions', { model => 'm', @tools, messages => [
    { role => 'user', content => '[[mock tool=f]] Hi' },
    { role => 'assistant', content => undef, tool_calls => [] },
    { role => 'tool', tool_call_id => 'c', content => '42' }] });
is(decode_json($c->body)->{choices}[0]{message}{content}, 'Echo: Hi',
   'no tool again');


# no usage, though it was asked for

$e = events($m->openai('[[mock usage=none]] Hi', stream => \1, @usage)->body);
is(scalar(grep { $_->{data} =~ /usage/ } @{ $e->{events} }), 0, 'no usage');


# what is beyond a bound

for my $plan ('tools=9', 'pieces=0', 'stop=never', 'bad=true', 'eol=crcr',
              'batch=0', 'piece=0', 'args=', 'error=a/b', 'after=-1')
{
    my $c = $m->openai("[[mock $plan]] Hi");

    is($c->status, 400, "$plan: 400");
    is(decode_json($c->body)->{error}{code}, 'mock_plan', "$plan: its code");
}

$m->end;

done_testing();
