package Weir::Streams;

# Streams of a stack, whose LLM answers by a plan, and what is in them:
#
#     my $c = stream($stack, 'tokens=6 every=100', more => { n => 1 });
#     ok($c->wait(5, qr/tok/), 'the first token');
#     ok($c->wait(10), 'the end');
#     is(text($c), 'tok ' x 6, 'all of it');
#
#     my $id = submit($stack, 'tokens=6', run_at => time + 1);
#     $c = follow($stack, $id, last => '1000001-0');
#     ok($c->wait(10), 'the end');
#     is(said(all($c)), 'tok ' x 6, 'the same of its events');

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;
use Test::More ();
use Weir::Askers qw(question);
use Weir::Mock qw(events openai_text);

our @EXPORT = qw(stream text submit follow all said);
our @EXPORT_OK = qw(body);


sub planned { question("[[mock $_[0]]] Hi", @_[1 .. $#_]) }


# body(PLAN, MEMBERS): what stream() sends

sub body { planned(shift, stream => JSON::PP::true, @_) }


# stream(STACK, PLAN, OPTIONS): a chat completion under way.  at is a prefix,
# query what follows the path, more: members of the body; others are those of
# Weir::Stack::request()

sub stream {
    my ($stack, $plan, %o) = @_;

    my $path = (delete $o{at} // '') . '/v1/chat/completions'
               . (delete $o{query} // '');
    my %more = %{ delete $o{more} // {} };

    return $stack->request($path, %o, body => body($plan, %more));
}


# what the client of a chat completion was told

sub text { openai_text(events($_[0]->body)) }


# submit(STACK, PLAN, OPTIONS): id of a job.  key is that of the API; others are
# members of the job

sub submit {
    my ($stack, $plan, %o) = @_;

    my $key = delete $o{key};
    my $c = $stack->ask('/v1/jobs', key => $key, body => encode_json({
        %o, request => decode_json(planned($plan)) }));
    Test::More::is($c->status, 202, "$plan: accepted");

    return decode_json($c->body)->{id};
}


# follow(STACK, ID, OPTIONS): a reader of a job's events under way.  last is the
# id behind which it goes on; others are those of Weir::Stack::request()

sub follow {
    my ($stack, $id, %o) = @_;

    my $last = delete $o{last};

    return $stack->request("/v1/jobs/$id/events", %o,
        headers => defined $last ? ["Last-Event-ID: $last"] : []);
}


# all(CLIENT): events; said(EVENTS): the text in those of a job

sub all { @{ events($_[0]->body)->{events} } }


sub said {
    return join '', map { $_->{s} } grep { ($_->{t} // '') eq 'text' }
           map { @{ $_->{json} } } grep { $_->{name} eq 'delta' } @_;
}


1;
