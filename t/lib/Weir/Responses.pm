package Weir::Responses;

# A client of POST /v1/responses and of what becomes of them:
#
#     my $r = Weir::Responses->new($stack);
#     my $c = $r->create('Hi', metadata => { a => 'b' });
#     my @events = $r->events($r->create('Hi', stream => JSON::PP::true));
#
# Options of create() and start(): on (another stack), at (a prefix), headers,
# no_key; all others are members of the body.

use strict;
use warnings;

use JSON::PP;
use Test::More;


sub new {
    my ($class, $stack) = @_;

    return bless { stack => $stack }, $class;
}


# one under way

sub start {
    my ($self, $input, %o) = @_;

    my %http = map { exists $o{$_} ? ($_ => delete $o{$_}) : () }
               qw(headers no_key);
    my $on = delete $o{on} // $self->{stack};
    my $at = delete $o{at} // '';

    return $on->request("$at/v1/responses", %http, body => encode_json({
        model => 'mock-1', input => $input, %o }));
}


sub create {
    my $self = shift;

    my $c = $self->start(@_);
    $c->wait(20) or diag('no answer, or half of one');

    return $c;
}


# get(ID, OPTIONS): query, on, headers, no_key

sub get {
    my ($self, $id, %o) = @_;

    my $query = delete $o{query} // '';
    my $on = delete $o{on} // $self->{stack};

    return $on->ask("/v1/responses/$id$query", %o);
}


# follow(ID, OPTIONS): a reader of its events under way; after is the number
# behind which it begins, on another stack; others are those of
# Weir::Stack::request()

sub follow {
    my ($self, $id, %o) = @_;

    my $after = delete $o{after};
    my $on = delete $o{on} // $self->{stack};

    return $on->request("/v1/responses/$id?stream=true"
        . (defined $after ? "&starting_after=$after" : ''), %o);
}


sub cancel {
    my ($self, $id, %o) = @_;

    return $self->{stack}->ask("/v1/responses/$id/cancel", method => 'POST',
                               %o);
}


sub doc { return decode_json($_[1]->body) }


# wait for a state

sub ends {
    my ($self, $id, $status) = @_;

    my $doc;

    $self->{stack}->wait_for(20, sub {
        $doc = $self->doc($self->get($id));
        $doc->{status} !~ /queued|in_progress/;
    }, "$id ends");

    is($doc->{status}, $status, "$id: $status") if defined $status;

    return $doc;
}


# the events of a body, each with its type as "event:" has it

sub events {
    my ($self, $c) = @_;

    my @events;

    for (split /\n\n/, $c->body) {
        next if /^:/;

        my ($type, $data) = /^event: (\S+)\ndata: (.*)$/
            or do { fail('an event'); diag($_); next };
        my $event = decode_json($data);
        is($event->{type}, $type, 'its type') if $event->{type} ne $type;
        push @events, $event;
    }

    return @events;
}


sub text {
    my ($self, @events) = @_;

    return join '', map { $_->{delta} }
           grep { $_->{type} eq 'response.output_text.delta' } @events;
}


sub growing {
    my ($self, $name, @events) = @_;

    my @numbers = map { $_->{sequence_number} } @events;
    my @wrong = grep { $numbers[$_] <= $numbers[$_ - 1] } 1 .. $#numbers;

    is("@wrong", '', "$name: they grow") or diag("@numbers");
}


1;
