package Weir::Hold;

# Jobs with a reservation, written into Redis by hand, as docs/redis-contract.md
# says (10.1, 10.21), and what settling them comes to.
#
#     my $hold = Weir::Hold->new(stack => $stack, owner => 'alice');
#     my $tpm = $hold->limit('tpm', 'tokens', 10000);
#     my $run = $hold->submit(text => 'Hi', charges => [[$tpm, 500]]);
#     $hold->settled($run);
#     is($hold->used($tpm), 3);
#
# Limits are quotas of a month, so that nothing leaks while a test looks; with
# rate => 1 they are rates that take three thousand years to leak.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use IO::Socket::UNIX;
use JSON::PP;
use Time::HiRes qw(time);
use Time::Local qw(timegm);
use Weir::Stack;

my %UNIT = (requests => 0, tokens => 1, 'input-tokens' => 2,
            'output-tokens' => 3, cost => 4, 'jobs-at-once' => 6);
my %FORM = (rate => 1, quota => 2, at_once => 3);
my $MONTH = 4;
my $count = 0;


sub new {
    my ($class, %o) = @_;

    return bless { owner => 'alice', %o }, $class;
}


sub redis { my $self = shift; return $self->{stack}->redis(@_) }
sub now   { return int(time * 1000) }


sub limit {
    my ($self, $zone, $unit, $amount, %o) = @_;

    my $form = $unit eq 'jobs-at-once' ? 'at_once' : $o{rate} ? 'rate'
                                                             : 'quota';
    my (undef, undef, undef, undef, $month, $year) = gmtime;

    return {
        name => "$zone:" . md5_hex(join ' ', $$, $zone, ++$count),
        unit => $UNIT{$unit}, form => $FORM{$form}, amount => $amount,
        period => $form eq 'rate' ? '100000000000000000' : 0,
        capacity => $form eq 'rate' ? $amount : 0,
        at => $form eq 'quota'
              ? timegm(0, 0, 0, 1, $month, $year) * 1_000_000
              : now() * 1000,
    };
}


sub limit_key { return 'weir:{0}:limit:' . $_[1]{name} }
sub slots_key { return 'weir:{0}:slots:' . $_[1]{name} }


# what a state says: whole units, rounded down; 0 if there is none

sub used {
    my ($self, $limit) = @_;

    my $state = $self->redis('GET', $self->limit_key($limit)) // '0 0';
    my ($level) = split ' ', $state;

    return int($level / 1_000_000);
}


# ask(COMMANDS): several over one connection; the last reply

sub ask {
    my ($self, @commands) = @_;

    my $s = $self->{socket} //= IO::Socket::UNIX->new(
        Peer => $self->{stack}->home . '/redis.sock') // die "redis: $!";
    my @replies;

    for my $c (@commands) {
        print $s join '', '*' . @$c . "\r\n",
                          map { '$' . length($_) . "\r\n$_\r\n" } @$c;
        $s->flush;
        push @replies, Weir::Stack::redis_reply($s);
    }

    return $replies[-1];
}


# charge(LIMIT, UNITS, RUN): what a decision does

sub charge {
    my ($self, $limit, $units, $run) = @_;

    if ($limit->{form} == $FORM{at_once}) {
        $self->redis('ZADD', $self->slots_key($limit), now() + 3600_000, $run);
        return;
    }

    my $key = $self->limit_key($limit);
    my ($level, $done);

    do {
        ($level) = split ' ', $self->ask(['WATCH', $key], ['GET', $key])
                              // '0 0';
        $done = $self->ask(['MULTI'], ['SET', $key, ($level + $units * 1_000_000)
                                       . " $limit->{at}"], ['EXEC']);
    } until $done;
}


# hold(RUN, CHARGES, by => MS, due => MS)

sub hold {
    my ($self, $run, $charges, %o) = @_;

    my $by = $o{by} // now() + 1000;
    my @fields;

    for my $c (@$charges) {
        my ($limit, $units) = @$c;

        $self->charge($limit, $units, $run);
        push @fields, 'charge:' . @fields / 2, join ' ',
            @$limit{qw(unit form amount period capacity)},
            $limit->{form} == $FORM{quota} ? $MONTH : 0, $units,
            $limit->{at}, $limit->{level} // '100000000000000000', $limit->{name};
    }

    $self->redis('HSET', "weir:{0}:hold:$run", owner => $self->{owner},
                 by => $by, @fields);
    $self->redis('ZADD', 'weir:{0}:settle', $o{due} // $by + 5000, $run);
}


sub id { return '00' . substr md5_hex(join ' ', time, $$, ++$count), 0, 22 }


# submit(text, model, deadline, late, charges): the run, with its reservation.
# late: the submission came after "by", so that there is no request.

sub submit {
    my ($self, %o) = @_;

    my $run = id();
    my $now = now();
    my $deadline = $o{deadline} // $now + 3600_000;
    my $model = $o{model} // 'm';

    $self->hold($run, $o{charges}) if $o{charges};

    $self->redis('SET', "weir:{0}:request:$run", JSON::PP->new->encode({
        v => 1, kind => 'chat', model => $model, messages => [{
            role => 'user', parts => [{ type => 'text',
                                        text => $o{text} // 'Hi' }] }] }))
        if !$o{late};

    $self->redis('HSET', "weir:{0}:job:$run", owner => $self->{owner},
                 key => 'k', run => $run, route => 'jobs', request => 'r',
                 model => $model, created => $now);
    $self->redis('HSET', "weir:{0}:run:$run", gen => 1, job => $run,
                 request => 'r', model => $model, class => 'normal',
                 created => $now, deadline => $deadline, ttl => 3600,
                 records => 86400);
    $self->redis('ZADD', 'weir:{0}:deadline', $deadline, $run);
    $self->redis('ZADD', 'weir:{0}:settle', 'XX', $deadline + 60_000, $run);

    $self->queue($run) if !$o{unqueued};

    return $run;
}


# the last word: from now on it may run

sub queue {
    my ($self, $run) = @_;

    $self->redis('XADD', 'weir:{0}:ready:normal', '*', run => $run, gen => 1);
}


# settled(RUN...): nothing of them is left to be done

sub settled {
    my ($self, @runs) = @_;

    $self->{stack}->wait_for(15, sub {
        @runs = grep {
            defined $self->redis('ZSCORE', 'weir:{0}:settle', $_)
            || !defined $self->redis('HGET', "weir:{0}:run:$_", 'settled')
        } @runs;

        return !@runs;
    }, 'settlement');
}


# gone(RUN...): the same of what never was a run

sub gone {
    my ($self, @runs) = @_;

    $self->{stack}->wait_for(15, sub {
        @runs = grep { defined $self->redis('ZSCORE', 'weir:{0}:settle', $_) }
                     @runs;
        return !@runs;
    }, 'end of reservations');
}


# left(): keys and members of what should not be there when all is settled

sub left {
    my ($self) = @_;

    my %slots = map { $_ => $self->redis('ZRANGE', $_, 0, -1) }
                @{ $self->redis('KEYS', 'weir:{0}:slots:*') };

    return [ @{ $self->redis('KEYS', 'weir:{0}:hold:*') },
             @{ $self->redis('ZRANGE', 'weir:{0}:settle', 0, -1) },
             map { "$_ @{ $slots{$_} }" } grep { @{ $slots{$_} } }
             sort keys %slots ];
}


# ledger(OWNER): of all days, { jobs, input, output, cost }

sub ledger {
    my ($self, $owner) = @_;

    my %sum = (jobs => 0, input => 0, output => 0, cost => 0);

    for my $key (@{ $self->redis('KEYS', 'weir:{0}:usage:*') }) {
        my %day = @{ $self->redis('HGETALL', $key) };

        $sum{$_} += $day{"$owner:$_"} // 0 for keys %sum;
    }

    return \%sum;
}


1;
