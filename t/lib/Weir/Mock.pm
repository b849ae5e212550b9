package Weir::Mock;

# weir-mock-llm alone, asked in either dialect, and its streams taken apart as
# the standard of event streams says:
#
#     my $m = Weir::Mock->new;
#     my $c = $m->openai('[[mock cut=event]] Hi', stream => \1);
#     my $e = events($c->body);         # { events, comments, rest }
#
# An event is { name, data, id, json }; rest is what was left behind the last empty
# line.  openai_text(), openai_tools() and blocks() put together what they tell.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;
use Weir::Client;
use Weir::Stack;

our @EXPORT = qw(events openai_text openai_tools blocks);


sub new {
    my ($class, %o) = @_;

    my $stack = Weir::Stack->new(%o)->start('mock');

    return bless { stack => $stack }, $class;
}


sub end  { $_[0]{stack}->end }
sub port { $_[0]{stack}{mock_port} }


# open(PATH, BODY, HEADER...): a request whose answer nobody has read yet

sub open {
    my ($self, $path, $body, @headers) = @_;

    $body = JSON::PP->new->utf8->canonical->encode($body) if ref $body;

    return Weir::Client->new(port => $self->port, path => $path,
                             body => $body, headers => \@headers);
}


sub ask {
    my ($self, @request) = @_;

    my $c = $self->open(@request);
    $c->wait(10, sub { $_[0]->done });

    return $c;
}


sub get { $_[0]{stack}->mock(@_[1 .. $#_]) }

sub json { decode_json($_[0]->get($_[1])->body) }


sub chat {
    my ($text, %with) = @_;

    return { model => 'm', messages => [{ role => 'user', content => $text }],
             %with };
}


sub openai { my $m = shift; $m->ask('/v1/chat/completions', chat(@_)) }


sub anthropic {
    my $m = shift;

    return $m->ask('/v1/messages', message(@_),
                   'anthropic-version: 2023-06-01');
}


sub message { chat($_[0], max_tokens => 1000, @_[1 .. $#_]) }


# the events of a body, whatever ends its lines

sub events {
    my ($body) = @_;

    my (@events, @comments, %event);
    my $rest = '';

    while ($body =~ /\G([^\r\n]*)(\r\n|\r|\n)/gc) {
        my $line = $1;

        if ($line eq '') {
            push @events, { %event } if exists $event{data};
            %event = ();
            $rest = '';
            next;
        }

        $rest .= "$line\n";

        if ($line =~ /^: ?(.*)/) {
            push @comments, $1;

        } elsif ($line =~ /^(event|data|id): ?(.*)/) {
            $event{$1 eq 'event' ? 'name' : $1} = $2;
        }
    }

    $rest .= substr $body, pos $body // 0;

    for (@events) {
        $_->{json} = eval { decode_json($_->{data}) };
    }

    return { events => \@events, comments => \@comments, rest => $rest };
}


# of the chunks of OpenAI: what a choice says

sub openai_text {
    my ($e, $index) = @_;

    return join '', map { $_->{delta}{content} // '' }
           grep { $_->{index} == ($index // 0) }
           map { ref $_->{json} eq 'HASH' ? @{ $_->{json}{choices} // [] } : () }
           @{ $e->{events} };
}


# and its calls of tools: [id, name, arguments]

sub openai_tools {
    my ($e, $index) = @_;

    my @calls;

    for my $choice (map { ref $_->{json} eq 'HASH'
                          ? @{ $_->{json}{choices} // [] } : () }
                    @{ $e->{events} })
    {
        next if $choice->{index} != ($index // 0);

        for (@{ $choice->{delta}{tool_calls} // [] }) {
            my $call = $calls[$_->{index}] //= ['', '', ''];
            $call->[0] .= $_->{id} // '';
            $call->[1] .= $_->{function}{name} // '';
            $call->[2] .= $_->{function}{arguments} // '';
        }
    }

    return \@calls;
}


# the blocks of a message of Anthropic; what is sent out of order dies

sub blocks {
    my ($e) = @_;

    my (@blocks, %open);
    my %member = (text_delta => 'text', thinking_delta => 'thinking',
                  signature_delta => 'signature',
                  input_json_delta => 'partial_json');

    for my $json (map { $_->{json} // {} } @{ $e->{events} }) {
        next if ref $json ne 'HASH' || !defined $json->{index};

        my $i = $json->{index};

        if ($json->{type} eq 'content_block_start') {
            die "block $i is not the next" if $i != @blocks;
            push @blocks, { %{ $json->{content_block} } };
            $open{$i} = 1;
            next;
        }

        die "block $i is not open" if !$open{$i};

        if ($json->{type} eq 'content_block_stop') {
            delete $open{$i};
            next;
        }

        my $name = $member{$json->{delta}{type}} or die 'an unknown delta';
        $blocks[$i]{$name} = ($blocks[$i]{$name} // '') . $json->{delta}{$name};
    }

    return \@blocks;
}


1;
