package Weir::Saying;

# Answers whose words differ, read as streams while something breaks: what a
# client has is all of it, or its beginning and an error, and nothing twice.
#
#     my $s = Weir::Saying->new(stack => $stack, words => 60, every => 50);
#     my $c = $s->stream;                   # of a dialect
#     my $e = $s->events($c);               # of its job, again and again
#     $c->wait(5, qr/w5 /);
#     ...
#     $s->is_sound($c, 'killed');           # 'whole', 'cut'
#     is($e->text(20), $s->said);

use strict;
use warnings;

use JSON::PP;
use Test::More ();
use Time::HiRes qw(time);
use Weir::Client;
use Weir::Mock;
use Weir::Stack;

my $count = 0;


sub new {
    my ($class, %o) = @_;

    my $self = bless { words => 60, every => 50, plan => '', %o }, $class;

    $self->{tag} = sprintf 'say%d-%d', $$, ++$count;
    $self->{asked} = join ' ', map { "w$_" } 1 .. $self->{words};

    return $self;
}


sub tag  { $_[0]{tag} }
sub said { "Echo: $_[0]{asked}" }

sub body {
    my ($self, %o) = @_;

    return { model => 'mock-1', %o, messages => [{ role => 'user',
        content => "[[mock tag=$self->{tag} every=$self->{every} $self->{plan}]] "
                   . $self->{asked} }] };
}


sub stream {
    my ($self, %o) = @_;

    my $at = delete $o{at} // $self->{stack};

    return $at->request('/v1/chat/completions', %o,
        body => encode_json($self->body(stream => JSON::PP::true)));
}


sub job {
    my ($self) = @_;

    my $c = $self->{stack}->ask('/v1/jobs',
        body => encode_json({ request => $self->body }));

    return decode_json($c->body)->{id};
}


# is_sound(CLIENT, NAME): what came of a stream of a dialect, which has ended

sub is_sound {
    my ($self, $c, $name) = @_;

    my $e = events($c->body);
    my $text = openai_text($e);
    my $clean = $c->body =~ /data: \[DONE\]\n\n\z/;
    my $error = grep { ref $_->{json} && $_->{json}{error} } @{ $e->{events} };
    my $what = $clean && !$error && $text eq $self->said ? 'whole'
               : !$clean && $error == 1
                 && index($self->said, $text) == 0 ? 'cut'
               : 'broken';

    Test::More::isnt($what, 'broken', "$name: whole, or cut with an error")
        or Test::More::diag(substr $text, -200);

    return $what;
}


# events(CLIENT OR ID, EDGES): who reads all of a job, however often he has to
# come again; at each time at the next of the edges

sub events_of {
    my ($self, $id, @edges) = @_;

    $id = $id->header('X-Weir-Job') if ref $id;
    @edges = $self->{stack} if !@edges;

    return bless { edges => \@edges, id => $id, text => '', times => 0,
                   resets => 0, from => 0 }, 'Weir::Saying::Reader';
}


package Weir::Saying::Reader;

use Weir::Mock qw(events);
use Time::HiRes qw(time sleep);

sub open {
    my ($self) = @_;

    my $edge = $self->{edges}[$self->{times}++ % @{ $self->{edges} }];

    $self->{from} = 0;
    $self->{text} = '' if !defined $self->{last} || $self->{last} eq '';
    $self->{client} = eval {
        $edge->request("/v1/jobs/$self->{id}/events",
                       headers => length($self->{last} // '')
                                  ? ["Last-Event-ID: $self->{last}"] : []);
    };

    return $self;
}


# what has come is taken in

sub take {
    my ($self) = @_;

    my @all = @{ events($self->{client}->body)->{events} };

    for my $e (@all[$self->{from} .. $#all]) {
        $self->{last} = $e->{id} if defined $e->{id};

        if ($e->{name} eq 'delta') {
            $self->{text} .= join '', map { $_->{s} }
                grep { ($_->{t} // '') eq 'text' } @{ $e->{json} };

        } elsif ($e->{name} eq 'reset') {
            $self->{text} = '';
            $self->{resets}++;

        } elsif ($e->{name} eq 'done') {
            $self->{done} = $e->{json};
        }
    }

    $self->{from} = @all;
}


# text(SECONDS): of all, at its end; undef: there is none, or no such job
# (status, then)

sub text {
    my ($self, $seconds) = @_;

    my $end = time + $seconds;

    while (time < $end) {
        $self->open if !$self->{client};

        if (!$self->{client}) {
            sleep 0.05;                         # nobody listens
            next;
        }

        $self->{client}->wait($end - time);
        $self->{status} = $self->{client}->status;
        $self->take if ($self->{status} // 0) == 200;

        return $self->{text} if $self->{done};
        return undef if ($self->{status} // 0) == 404;
        delete $self->{client};
        sleep 0.05;                             # as a client would
    }

    return undef;
}


# leaves where it is, to come again

sub leave {
    my ($self) = @_;

    my $c = delete $self->{client} or return;

    $c->read_some;
    $self->{client} = $c;
    $self->take if ($c->status // 0) == 200;
    delete $self->{client};
    $c->close;
}


1;
