package Weir::Asked;

# Questions, their runs and who asks for them, written into Redis by hand, as
# docs/redis-contract.md says.
#
#     my $asked = Weir::Asked->new(stack => $stack);
#     my $x = $asked->run(text => 'Hi', unqueued => 1);
#     my $f = $asked->job($x);
#     $asked->queue($x);
#     $asked->ended($f);
#     is($asked->fin($f), $asked->fin($x));

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Time::HiRes qw(time);
use Weir::Stack;

my $count = 0;


sub new {
    my ($class, %o) = @_;

    return bless { owner => 'alice', ask => {}, %o }, $class;
}


sub redis { my $self = shift; return $self->{stack}->redis(@_) }
sub now   { return int(time * 1000) }
sub key   { return "weir:{0}:$_[1]" }
sub id    { return '00' . substr sha256_hex(join ' ', time, $$, ++$count), 0, 22 }

sub question { return $_[0]{ask}{$_[1]} // sha256_hex($_[1]) }


# run(text, model, policy, labels, created, deadline, until, unqueued, void,
# absent): the run of a question, named by its text.  until: a request without
# a job waits so long, in $self's mailbox

sub run {
    my ($self, %o) = @_;

    my $x = id();
    my $now = $o{created} // now();
    my $deadline = $o{deadline} // $now + 3600_000;
    my $text = $o{text} // "Hi $x";
    my $model = $o{model} // 'm';
    my $ask = $self->{ask}{$x} = sha256_hex($text);

    return $x if $o{absent};

    $self->redis('SET', "weir:{0}:request:$x", JSON::PP->new->encode({
        v => 1, kind => 'chat', model => $model, messages => [{
            role => 'user', parts => [{ type => 'text', text => $text }] }] }))
        if !$o{void};

    $self->redis('HSET', "weir:{0}:job:$x", owner => $self->{owner},
                 key => 'k', run => $x, route => 'jobs', request => 'r',
                 model => $model, created => $now, ask => $ask);
    $self->redis('HSET', "weir:{0}:run:$x", gen => 1, job => $x,
                 request => 'r', model => $model, class => 'normal',
                 created => $now, deadline => $deadline, ttl => 86400,
                 records => 86400, owner => $self->{owner}, ask => $ask,
                 cache => $o{policy} // '3600 0 0 0 0 0',
                 labels => $o{labels} // 'class:c');
    $self->redis('ZADD', 'weir:{0}:deadline', $deadline, $x);
    $self->redis('ZADD', 'weir:{0}:ended', 'NX', $now + 5000, $x);
    $self->redis('ZADD', "weir:{0}:askers:$x", $o{until}, $o{mailbox})
        if $o{until};

    $self->queue($x) if !$o{unqueued};

    return $x;
}


sub queue {
    my ($self, $x) = @_;

    $self->redis('XADD', 'weir:{0}:ready:normal', '*', run => $x, gen => 1);
}


# job(RUN, part, owner, deadline, created, url, mailbox, ttl, void, look): a job
# that asks for it.  void: it came too late; look: when it is looked at, else at
# its deadline

sub job {
    my ($self, $x, %o) = @_;

    my $f = id();
    my $now = $o{created} // now();
    my $deadline = $o{deadline} // $now + 3600_000;
    my $owner = $o{owner} // $self->{owner};

    $self->redis('HSET', "weir:{0}:job:$f", owner => $owner, key => 'k',
                 run => $x, route => 'jobs', request => 'r', model => 'm',
                 created => $now, part => $o{part} // 'joined',
                 $o{url} ? (hook_url => $o{url}, hook_secret =>
                            'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw') : ());
    $self->redis('HSET', "weir:{0}:run:$f", gen => 1, job => $f,
                 request => 'r', model => 'm', class => 'normal',
                 created => $now, deadline => $deadline,
                 ttl => $o{ttl} // 3600, records => 86400, owner => $owner);
    $self->redis('SET', "weir:{0}:request:$f", 1) if !$o{void};
    $self->redis('SADD', "weir:{0}:waiting:$f", $o{mailbox}) if $o{mailbox};
    $self->redis('ZADD', 'weir:{0}:asked', $o{look} // $deadline, $f);
    $self->redis('ZADD', "weir:{0}:open:$owner", $deadline, $f);
    $self->redis('ZADD', "weir:{0}:askers:$x", $deadline, $f);
    $self->redis('ZADD', 'weir:{0}:ended', 'NX', $now + 5000, $x);

    return $f;
}


# leave(RUN, MEMBER): it asks no longer, and workers are told

sub leave {
    my ($self, $x, $member) = @_;

    $self->redis('ZREM', "weir:{0}:askers:$x", $member);
    $self->redis('XADD', 'weir:{0}:control', '*', op => 'left', run => $x);
}


sub fin { return $_[0]->redis('HGET', "weir:{0}:run:$_[1]", 'fin') }


# ended(ID...): all of them have come to an end

sub ended {
    my ($self, @ids) = @_;

    $self->{stack}->wait_for(20, sub {
        @ids = grep { !defined $self->fin($_) } @ids;
        return !@ids;
    }, 'the end');
}


# told(RUN...): nothing is left of those who asked

sub told {
    my ($self, @runs) = @_;

    $self->{stack}->wait_for(20, sub {
        @runs = grep { $self->redis('ZCARD', "weir:{0}:askers:$_")
                       || defined $self->redis('ZSCORE', 'weir:{0}:ended', $_) }
                     @runs;
        return !@runs;
    }, 'an empty outbox');
}


# answer(RUN): the words of the record's first line, and what follows it

sub answer {
    my ($self, $x) = @_;

    my $record = $self->redis('GET', 'weir:{0}:answer:' . $self->{ask}{$x})
        // return;
    my ($line, $rest) = $record =~ /^([^\n]*)\n(.*)\z/s;
    my @words = qw(v run token created finished fresh stale_while stale_error
                   input output cost kind owner model labels outcome);
    my %a;

    @a{@words} = split / /, $line;

    for my $name (qw(owner model labels outcome)) {
        $a{$name} = substr $rest, 0, $a{$name}, '';
    }

    return \%a;
}


# left(): what should not be there when all is told

sub left {
    my ($self) = @_;

    return [ map { my $key = $_;
                   map { "$key $_" } @{ $self->redis('ZRANGE', $key, 0, -1) } }
             'weir:{0}:asked', 'weir:{0}:ended', 'weir:{0}:deadline',
             @{ $self->redis('KEYS', 'weir:{0}:open:*') },
             @{ $self->redis('KEYS', 'weir:{0}:askers:*') } ];
}


1;
