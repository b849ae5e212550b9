# What the mock LLM does to streams: each directive, in either dialect.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Mock;

my $m = Weir::Mock->new;
my $n = 0;


# [events, client] of a stream in this dialect

sub stream {
    my ($dialect, $plan, %with) = @_;

    my $c = $m->$dialect("[[mock $plan]] one two three four", %with,
                         stream => \1);

    return (events($c->body), $c);
}


sub said {
    my ($dialect, $e) = @_;

    return $dialect eq 'openai' ? openai_text($e)
                                : join '', map { $_->{text} } @{ blocks($e) };
}


sub last_of { $_[0]{events}[-1] // {} }


# whether the dialect tells why the answer ended, and that it did

sub has_finish {
    return scalar grep {
        my $j = ref $_->{json} eq 'HASH' ? $_->{json} : {};
        ($j->{type} // '') eq 'message_delta'
        || grep { defined $_->{finish_reason} } @{ $j->{choices} // [] }
    } @{ $_[0]{events} };
}


sub has_marker {
    return scalar grep {
        $_->{data} eq '[DONE]' || ($_->{name} // '') eq 'message_stop'
    } @{ $_[0]{events} };
}


my $text = 'Echo: one two three four';
my %events = (openai => 8, anthropic => 10);
my %first = (openai => 2, anthropic => 3);      # up to the first word

for my $d (qw(openai anthropic)) {
    my ($whole) = stream($d, 'finish=x');
    is(@{ $whole->{events} }, $events{$d}, "$d: as many events as there are");
    is(said($d, $whole), $text, "$d: the text");

    my $alike = sub {
        my ($name, $plan) = @_;
        my ($e, $c) = stream($d, "$plan finish=x");
        my ($is, $wants) = map { JSON::PP->new->canonical->encode(
            [map { $_->{json} // $_->{data} } @{ $_->{events} }])
            =~ s/mock[-_]\d+|"created":\d+|"input_tokens":\d+//gr } $e, $whole;

        is($is, $wants, "$d: $name: the same events");
        is($e->{rest}, '', "$d: $name: and nothing else");
        ok($c->whole, "$d: $name: whole");
        return ($e, $c);
    };

    # what changes no event

    my (undef, $c) = $alike->('crlf', 'eol=crlf');
    unlike($c->body, qr/[^\r]\n|\r[^\n]/, "$d: CRLF only");
    (undef, $c) = $alike->('cr', 'eol=cr');
    unlike($c->body, qr/\n/, "$d: CR only");
    (undef, $c) = $alike->('mixed', 'eol=mixed');
    like($c->body, qr/[^\r]\n/, "$d: LF too");
    like($c->body, qr/\r[^\n]/, "$d: and CR");

    (undef, $c) = $alike->('no space', 'space=0');
    unlike($c->body, qr/^(data|event): /m, "$d: no space");

    my ($e) = $alike->('comments', 'comment=1');
    is(@{ $e->{comments} }, $events{$d} - 1, "$d: a comment between any two");

    ($e) = $d eq 'openai' ? $alike->('pings', 'ping=2') : stream($d, 'ping=2');
    is($d eq 'openai' ? @{ $e->{comments} }
       : scalar(grep { $_->{name} eq 'ping' && $_->{json}{type} eq 'ping' }
                @{ $e->{events} }),
       int(($events{$d} - 1) / 2), "$d: a ping after every second");

    # how it is cut into writes; a client sees chunks if it reads them raw

    $alike->('bytes', 'piece=1');
    $alike->('bytes and CRLF', 'piece=1 eol=crlf');
    $alike->('batch', 'batch=3');

    for (['piece=1', sub { $_[0] > 500 && $_[1] == 1 }],
         ['piece=7', sub { $_[0] > 50 && $_[1] == 7 }],
         ['batch=100', sub { $_[0] == 1 }],
         ['batch=2', sub { $_[0] == $events{$d} / 2 }],
         ['', sub { $_[0] == $events{$d} }])
    {
        my ($plan, $fits) = @$_;
        my @sizes = chunk_sizes($d, $plan);
        my ($max) = sort { $b <=> $a } @sizes;

        ok($fits->(scalar @sizes, $max), "$d: chunks of \"$plan\"")
            or diag("@sizes");
    }

    # more than ASCII, also escaped

    for my $plan ('words=wide', 'words=wide piece=1', 'words=wide escape=1') {
        my ($e, $c) = stream($d, $plan);

        is(said($d, $e), 'ü€😀 ' x 6, "$d: $plan");
        is($c->body =~ /[\x80-\xff]/ ? 1 : 0, $plan =~ /escape/ ? 0 : 1,
           "$d: $plan: the bytes");
    }

    ($e) = stream($d, 'words=wide size=8');
    is(said($d, $e), 'ü€', "$d: cut between characters");

    # ends that are none

    for (['done', 1, 1], ['text', 0, 0], ['finish', 1, 0], ['marker', 0, 1]) {
        my ($stop, $finish, $marker) = @$_;
        my ($e, $c) = stream($d, "stop=$stop");

        ok($c->whole, "$d: stop=$stop: a clean end of HTTP");
        is(said($d, $e), $text, "$d: stop=$stop: all of the text");
        is(has_finish($e), $finish, "$d: stop=$stop: the reason");
        is(has_marker($e), $marker, "$d: stop=$stop: the marker");
    }

    ($e, $c) = stream($d, 'stop=open');
    ok($c->whole, "$d: stop=open: a clean end");
    is(has_marker($e), 0, "$d: stop=open: no marker yet");
    like($e->{rest}, qr/\[DONE\]|message_stop/, "$d: stop=open: but it came");

    # breaks in the middle

    for (['cut=body', 0, 0], ['cut=event', 0, 1],
         ['stop=body', 1, 0], ['stop=event', 1, 1])
    {
        my ($plan, $clean, $rest) = @$_;
        my ($e, $c) = stream($d, $plan);

        is($c->whole ? 1 : 0, $clean, "$d: $plan: the end of HTTP");
        is(has_finish($e) + has_marker($e), 0, "$d: $plan: no other end");
        is($e->{rest} ne '' ? 1 : 0, $rest, "$d: $plan: half an event");
        is(said($d, $e), 'Echo: one two ', "$d: $plan: half of the words");

        for my $after (0, 1, 4, $events{$d} - 1) {
            ($e, $c) = stream($d, "$plan after=$after");
            is(@{ $e->{events} }, $after, "$d: $plan after=$after");
            is($c->whole ? 1 : 0, $clean, "$d: $plan after=$after: the end");
        }

        ($e, $c) = stream($d, "$plan after=1000");
        ok($c->whole && has_marker($e), "$d: $plan: never");
    }

    # errors and bad events in the middle

    for my $after (0, 3) {
        my ($e, $c) = stream($d, "error=overloaded_error after=$after");
        my $last = last_of($e);

        is(@{ $e->{events} }, $after + 1, "$d: an error after $after");
        is($last->{json}{error}{type}, 'overloaded_error', 'its type');
        ok(length $last->{json}{error}{message}, 'its message');
        is($last->{name} // '', $d eq 'openai' ? '' : 'error', 'its name');
        ok($c->whole, 'a clean end of HTTP');
    }

    (undef, $c) = stream($d, 'error=api_error cut=body');
    like($c->body, qr/api_error/, "$d: an error");
    ok(!$c->whole, "$d: and the connection is closed");

    for my $bad (qw(json utf8 array empty unknown)) {
        my ($e, $c) = stream($d, "bad=$bad after=2");
        my ($odd) = splice @{ $e->{events} }, 2, 1;

        is(said($d, $e), $text, "$d: bad=$bad: all others are there");
        ok($c->whole && has_marker($e), "$d: bad=$bad: to the end");

        is(ref($odd->{json}), { json => '', utf8 => '', array => 'ARRAY',
                                empty => '', unknown => 'HASH' }->{$bad},
           "$d: bad=$bad: what it is");
    }

    $c = $m->$d('[[mock bad=huge after=1]] Hi', stream => \1);
    cmp_ok(length $c->body, '>', 20 * 1024 * 1024, "$d: bad=huge");
    ok($c->whole, "$d: bad=huge: whole");

    # a whole answer instead of a stream, and a stream instead of it

    (undef, $c) = stream($d, 'stream=never');
    is($c->header('Content-Type'), 'application/json', "$d: stream=never");
    ok(decode_json($c->body)->{id}, "$d: stream=never: JSON");
    $c = $m->$d('[[mock stream=always]] Hi');
    is($c->header('Content-Type'), 'text/event-stream; charset=utf-8',
       "$d: stream=always");
    ok(has_marker(events($c->body)), "$d: stream=always: events");

    # faults that pass

    my $tag = "t$d";
    my @ok = map {
        my ($e, $c) = stream($d, "tag=$tag times=1 error=e stop=text "
                                 . 'bad=json cut=body');
        $c->whole && has_marker($e) ? 1 : 0
    } 1 .. 2;
    is("@ok", '0 1', "$d: times=1");
}


sub chunk_sizes {
    my ($d, $plan) = @_;

    my ($path, $body) = $d eq 'openai'
        ? ('/v1/chat/completions', Weir::Mock::chat("[[mock $plan]] one two "
                                                    . 'three four',
                                                    stream => \1))
        : ('/v1/messages', Weir::Mock::message("[[mock $plan]] one two three "
                                               . 'four', stream => \1));

    my $c = Weir::Client->new(port => $m->port, raw => Weir::Client::request(
        path => $path, body => encode_json($body),
        headers => ['anthropic-version: 2023-06-01']));
    $c->wait(10, sub { $_[0]{eof} || $_[0]{whole} });

    my $raw = join '', map { $_->[1] } $c->parts;
    my @sizes;

    $raw =~ s/^.*?\r\n\r\n//s;

    while ($raw =~ s/^([0-9a-fA-F]+)\r\n//) {
        my $size = hex $1;
        last if $size == 0;
        push @sizes, $size;
        substr($raw, 0, $size + 2) = '';
    }

    return @sizes;
}


# silence: nothing comes for that long, and then the rest

for my $d (qw(openai anthropic)) {
    my $c = $m->open($d eq 'openai' ? '/v1/chat/completions' : '/v1/messages',
        Weir::Mock::message('[[mock pause=300 after=4]] one two three four',
                            stream => \1),
        'anthropic-version: 2023-06-01');

    ok($c->wait(10, sub { @{ events($_[0]->body)->{events} } >= 4 }),
       "$d: four events");
    is(@{ events($c->body)->{events} }, 4, "$d: and no more");

    my $then = time;
    ok($c->wait(10), "$d: then the rest");
    cmp_ok(time - $then, '>=', 0.25, "$d: after the pause");
    is(@{ events($c->body)->{events} }, $events{$d}, "$d: all of it");
}


# a client that leaves in the middle is counted as one

for my $plan ('pause=60000 after=3', 'size=60000000', 'every=20 tokens=5000') {
    for my $d (qw(openai anthropic)) {
        my $tag = 'gone' . ++$n;
        my $c = $m->open(
            $d eq 'openai' ? '/v1/chat/completions' : '/v1/messages',
            Weir::Mock::message("[[mock tag=$tag $plan]] Hi", stream => \1,
                                max_tokens => 100000000),
            'anthropic-version: 2023-06-01');

        ok($c->wait(10, qr/data:.*data:/s), "$d: $plan: under way");
        is($m->json('/mock/calls')->{open}, 1, "$d: $plan: open");
        $c->close;

        ok($m->{stack}->wait_for(10, sub {
            $m->json("/mock/calls?tag=$tag")->{aborted} == 1;
        }, 'aborted'), "$d: $plan: aborted");
        is($m->json('/mock/calls')->{open}, 0, "$d: $plan: and not open");
    }
}

$m->end;

done_testing();
