package Weir::Askers;

# Many who ask the same: stacks with a cache, questions, and what must be left
# of them in Redis when all is over.

use strict;
use warnings;

use JSON::PP;
use Exporter 'import';
use Test::More ();
use Weir::Client;
use Weir::Stack;

our @EXPORT = qw(cached_stack another_edge chat job question ask_all status_of
                 collapsed led last_after parked nothing_left);
our @EXPORT_OK = qw(ask_chat what);


# options of Weir::Stack, and cache: parameters of weir_cache, ttl: lines

sub options {
    my (%o) = @_;

    my $cache = delete $o{cache} // '';
    my $ttl = delete $o{ttl} // '';

    $o{http} = "weir_cache_zone answers 8m;\n" . ($o{http} // '');
    $o{server} = "location = /metrics { weir_metrics; }\n"
                 . ($o{server} // '');
    $o{location} = "weir_api; weir_cache zone=answers $cache;\n$ttl\n"
                   . ($o{location} // '');

    return %o;
}


sub cached_stack {
    my (%o) = @_;

    return Weir::Stack->new(options(%o));
}


sub another_edge {
    my ($of, %o) = @_;

    return Weir::Stack->new(options(%o, edge_of => $of));
}


sub question {
    my ($text, %more) = @_;

    return encode_json({ model => 'mock-1', %more, messages => [
        { role => 'user', content => $text }] });
}


# chat(EDGE, TEXT, OPTIONS): a completion under way.  at is a prefix, more:
# members of the body; others are those of Weir::Stack::request().  ask_chat()
# awaits its end for timeout seconds (10), and dies without one

sub chat {
    my ($edge, $text, %o) = @_;

    my $at = delete $o{at} // '';
    my %more = %{ delete $o{more} // {} };

    return $edge->request("$at/v1/chat/completions", %o,
                          body => question($text, %more));
}


sub ask_chat {
    my ($edge, $text, %o) = @_;

    my $timeout = delete $o{timeout} // 10;

    return (ask_all($timeout, chat($edge, $text, %o)))[0];
}


# what the cache did, in its own words

sub what { $_[0]->header('Cache-Status') // '' }


sub job {
    my ($edge, $text, %o) = @_;

    my %more = %{ delete $o{more} // {} };
    my %with = %{ delete $o{with} // {} };

    return $edge->request('/v1/jobs', %o, body => encode_json({
        request => decode_json(question($text, %more)), %with }));
}


# ask_all(SECONDS, CLIENT...): dies if one has no answer

sub ask_all {
    my ($seconds, @clients) = @_;

    Weir::Client::wait_all($seconds, @clients)
        or die scalar(grep { !$_->whole } @clients) . " have no answer\n";

    return @clients;
}


# "200" if all have it, else how many have what

sub status_of {
    my %n;

    $n{ $_->status // 'none' }++ for @_;

    return join ' ', keys %n == 1 ? keys %n
                                  : map { "$_:$n{$_}" } sort keys %n;
}


sub collapsed {
    return grep { ($_->header('Cache-Status') // '') =~ /; collapsed/ } @_;
}


sub led {
    return grep { ($_->header('Cache-Status') // '') =~ /fwd=/
                  && $_->header('Cache-Status') !~ /; collapsed/ } @_;
}


# by how many ms the last one was later than the leader

sub last_after {
    my ($leader, @all) = @_;

    my ($last) = sort { $b <=> $a } map { $_->{start} + $_->elapsed } @all;

    return 1000 * ($last - $leader->{start} - $leader->elapsed);
}


# parked(N, EDGE...): so many wait, in all

sub parked {
    my ($n, @edges) = @_;

    $edges[0]->wait_for(10, sub {
        my $all = 0;

        for (@edges) {
            $all += $_->ask('/metrics')->body
                    =~ /^weir_requests_parked (\d+)$/m ? $1 : 0;
        }

        return $all == $n;
    }, "$n requests wait");
}


# Nobody asks any more: the sets are empty, and what is kept has an end.

sub nothing_left {
    my ($stack, $name) = @_;

    $name //= 'in the end';

    my $left = sub {
        return join ' ', map { "$_:" . $stack->redis('ZCARD', "weir:{0}:$_") }
                         grep { $stack->redis('ZCARD', "weir:{0}:$_") }
                         qw(ended asked deadline delayed);
    };

    eval { $stack->wait_for(10, sub { $left->() eq '' }, 'empty sets') };
    Test::More::is($left->(), '', "$name: nobody is left");

    my @names = map { @{ $stack->redis('KEYS', "weir:{0}:$_:*") } }
               qw(askers ask waiting fate run job request outcome answer open);
    my @for_ever = grep { $stack->redis('TTL', $_) == -1 } @names;

    splice @for_ever, 5 if @for_ever > 5;
    Test::More::is(join(' ', @for_ever), '',
                   "$name: what is kept has an end");
}


1;
