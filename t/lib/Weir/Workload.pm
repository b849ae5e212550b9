package Weir::Workload;

# A log of requests as many tenants make them, and what a cache must do with
# it:
#
#     Weir::Workload::generate('log', seed => 1, requests => 20000);
#     my $log = Weir::Workload::read_log('log');
#     my $p = Weir::Workload::predict($log);
#     say "$p->{all}{hits} of $p->{all}{cacheable}";
#
# The log is text, and all that the prediction knows:
#
#     workload 1
#     pace 0
#     margin 0
#     scope owner
#     tier 6h 21600 1 4
#     ask 125 acme 6h p17 chat 2 - 24 26
#
# A tier has a name, the seconds that its answers are fresh, and the prices of
# a million tokens, in whole dollars, so that a token costs whole millionths.
# A request has the ms since the start, tenant, tier, question, route (chat,
# stream or jobs), spelling (0 to 4: other words for the same question),
# temperature ("-": none is said), and the tokens of question and answer.
# Questions "p..." are asked again and again; "n..." once.
#
# With "pace 1" the times are those of the replay, and answers get old in it.
# With "pace 0" they are those of a day in which nothing gets old, and a replay
# goes as fast as it can.  No request comes within "margin" ms of the moment at
# which the answer that it wants gets old: so it does not matter that a replay
# is late by less.
#
# Everything is drawn by a generator of ours and in whole numbers: a seed gives
# the same log everywhere.

use strict;
use warnings;

use constant { TIERS => 4, SPELLINGS => 5 };

my @HOURS = (6, 12, 24, 48);
my @PRICES = ([1, 4], [2, 8], [3, 15], [10, 30]);

# who asks how much, in tenths

my @TENANTS = ('acme') x 4;
push @TENANTS, ('bolt') x 3, ('core') x 2, 'dune';

my @WORDS = qw(write a short text about red shoes for people who run in rain
               and tell why they last longer than others do with warm words);


sub tenants { qw(acme bolt core dune) }


# generate(FILE, OPTIONS): seed, requests; prompts (10,000); in percent: new
# (20), warm (5, a temperature above 0), stream (20), jobs (10); scope (owner);
# ttl: the whole seconds of the replay that stand for six hours, and hours, how
# long the log is (30).  Without "ttl" nothing gets old

sub generate {
    my ($file, %o) = @_;

    %o = (prompts => 10000, new => 20, warm => 5, stream => 20, jobs => 10,
          scope => 'owner', hours => 30, %o);

    # the state is 64 bits, and not 0; like seeds are far apart after some turns

    my $g = { %o, random => $o{seed} << 40 ^ 88172645463325252, drawn => 0,
              zipf => zipf($o{prompts}), known => {},
              pace => $o{ttl} ? 1 : 0, margin => ($o{ttl} // 0) * 400,
              span => $o{ttl} ? $o{ttl} * 1000 * $o{hours} / 6
                              : 5 * 3600 * 1000 };

    below($g, 2) for 1 .. 64;

    $g->{tier} = [map { tier($g, $_) } 0 .. TIERS - 1];

    open my $f, '>', $file or die "$file: $!";

    print $f "workload 1\npace $g->{pace}\nmargin $g->{margin}\n",
             "scope $o{scope}\n",
             map { "tier $_->{name} $_->{ttl} @{ $_->{price} }\n" }
                 @{ $g->{tier} };

    for my $i (0 .. $o{requests} - 1) {
        $g->{at} = int($g->{span} * $i / $o{requests});
        print $f 'ask ', join(' ', ask($g)), "\n";
    }

    close $f or die "$file: $!";
}


sub tier {
    my ($g, $i) = @_;

    return { name => "$HOURS[$i]h", price => $PRICES[$i],
             ttl => ($g->{ttl} // 6 * 3600) * $HOURS[$i] / 6 };
}


# one that comes when its answer gets old, or may be just old, is drawn again

sub ask {
    my ($g) = @_;

    my ($tenant, $tier, $question, $warm, $key);

    for my $try (1 .. 1000) {
        $tenant = $TENANTS[below($g, scalar @TENANTS)];

        my $new = below($g, 100) < $g->{new};
        my $n = $new ? $g->{drawn}++ : prompt($g);

        $question = ($new ? 'n' : 'p') . $n;
        $tier = $g->{tier}[$n % TIERS];
        $warm = below($g, 100) < $g->{warm};
        last if $warm;

        $key = key($g, $tenant, $question);
        my $left = left($g->{known}{$key}, $g->{at}, $tier);
        next if defined $left && abs $left <= $g->{margin};

        $g->{known}{$key} = $g->{at} if !defined $left || $left <= 0;
        last;
    }

    my $way = below($g, 100);
    my $route = $way < $g->{stream} ? 'stream'
                : $way < $g->{stream} + $g->{jobs} ? 'jobs' : 'chat';
    my $text = text($question);

    return ($g->{at}, $tenant, $tier->{name}, $question, $route,
            below($g, SPELLINGS), $warm ? '0.7' : '-',
            tokens(length $text), tokens(length answer($text)));
}


# who may have the answer that another was given

sub key {
    my ($log, $tenant, $question) = @_;

    return $log->{scope} eq 'owner' ? "$tenant/$question" : $question;
}


# ms for which an answer of that time is still fresh; undef: there is none

sub left {
    my ($since, $at, $tier) = @_;

    return defined $since ? $since + $tier->{ttl} * 1000 - $at : undef;
}


# what weir-mock-llm makes of it, and how it counts

sub answer { "Echo: $_[0]" }
sub tokens { int(($_[0] + 3) / 4) }


# the text of a question: the same for all who ask it

sub text {
    my ($question) = @_;

    my ($n) = $question =~ /(\d+)/;
    my @words = map { $WORDS[($n * 7 + $_) % @WORDS] } 0 .. 5 + $n * 13 % 60;

    return "$question: @words";
}


# xorshift, of 64 bits

sub below {
    my ($g, $n) = @_;

    my $x = $g->{random};

    $x ^= $x << 13;
    $x ^= $x >> 7;
    $x ^= $x << 17;
    $g->{random} = $x;

    return ($x >> 11) % $n;
}


# sums of the weights of the first, first two, ... prompts: that of the k-th is
# 1/k, in billionths

sub zipf {
    my ($prompts) = @_;

    my $sum = 0;

    return [map { use integer; $sum += 1000000000 / $_ } 1 .. $prompts];
}


sub prompt {
    my ($g) = @_;

    my $z = $g->{zipf};
    my $x = below($g, $z->[-1]);
    my ($low, $high) = (0, $#$z);

    while ($low < $high) {
        my $middle = ($low + $high) >> 1;
        ($low, $high) = $x < $z->[$middle] ? ($low, $middle)
                                           : ($middle + 1, $high);
    }

    return $low;
}


sub read_log {
    my ($file) = @_;

    my $log = { ask => [], tiers => [] };

    open my $f, '<', $file or die "$file: $!";

    while (<$f>) {
        my ($what, @is) = split;

        if ($what eq 'ask') {
            my %ask;
            @ask{qw(at tenant tier question route spelling temperature input
                    output)} = @is;
            push @{ $log->{ask} }, \%ask;

        } elsif ($what eq 'tier') {
            my ($name, $ttl, @price) = @is;
            push @{ $log->{tiers} }, $name;
            $log->{tier}{$name} = { name => $name, ttl => $ttl,
                                    price => \@price };

        } else {
            $log->{$what} = $is[0];
        }
    }

    close $f or die "$file: $!";

    return $log;
}


sub cost {
    my ($log, $ask) = @_;

    my $price = $log->{tier}{ $ask->{tier} }{price};

    return $ask->{input} * $price->[0] + $ask->{output} * $price->[1];
}


# what a row of the table has, of a tier or of all

sub row {
    return { map { $_ => 0 } qw(requests bypass cacheable calls hits
                                saved_input saved_output saved_cost
                                spent_cost) };
}


# predict(LOG, PREDICTION): a row for each tier and {all}; and of each
# {question}, how often the LLM is asked it, but for what goes round the cache.
# With another prediction, what that one left behind is there from the start

sub predict {
    my ($log, $before) = @_;

    my %known = %{ ($before // {})->{known} // {} };
    my $p = { all => row(), question => {}, known => \%known,
              map { $_ => row() } @{ $log->{tiers} } };

    for my $ask (@{ $log->{ask} }) {
        my @rows = ($p->{all}, $p->{ $ask->{tier} });
        my $cost = cost($log, $ask);

        $_->{requests}++ for @rows;

        if ($ask->{temperature} ne '-') {
            $_->{bypass}++, $_->{calls}++, $_->{spent_cost} += $cost for @rows;
            next;
        }

        my $key = key($log, @$ask{qw(tenant question)});
        my $left = left($known{$key}, $ask->{at}, $log->{tier}{ $ask->{tier} });

        die "request at $ask->{at}: nobody knows whether its answer is old"
            if defined $left && abs $left <= $log->{margin}
               && $log->{margin} > 0;

        $_->{cacheable}++ for @rows;
        $p->{question}{$key} //= 0;

        if (!defined $left || $left <= 0) {
            $known{$key} = $ask->{at};
            $p->{question}{$key}++;
            $_->{calls}++, $_->{spent_cost} += $cost for @rows;
            next;
        }

        for (@rows) {
            $_->{hits}++;
            $_->{saved_input} += $ask->{input};
            $_->{saved_output} += $ask->{output};
            $_->{saved_cost} += $cost;
        }
    }

    return $p;
}


1;
