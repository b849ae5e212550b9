package Weir::ReplayStack;

# The servers that a log of requests (Weir::Workload) is replayed against: one
# Redis, mock LLM and worker, two nginx, a key for each tenant, and the tiers of
# the log as models, each with its price and its "weir_cache_ttl".
#
#     my $s = Weir::ReplayStack->new(seed => 1, requests => 2000);
#     my @different = $s->start->replay;      # empty: all as predicted
#     print $s->table;
#
# Options: those of Weir::Workload::generate; delay, the ms that the LLM takes
# (20); connections (64); share, if the edge is to have another scope than the
# log.

use strict;
use warnings;

use JSON::PP;
use Weir::Replay;
use Weir::Stack;
use Weir::Workload;


sub new {
    my ($class, %o) = @_;

    my %own = map { $_ => delete $o{$_} } grep { exists $o{$_} }
                                          qw(delay connections share);
    my $self = bless { delay => 20, connections => 64, %own }, $class;

    my $a = $self->{a} = Weir::Stack->new(
        mock => ['--plan', "delay=$self->{delay}"],
        redis => "maxmemory 1gb\n");

    my $file = $a->dir . '/requests';
    Weir::Workload::generate($file, seed => 1, requests => 20000, %o);

    my $log = $self->{log} = Weir::Workload::read_log($file);
    $self->{predicted} = Weir::Workload::predict($log);

    $a->{worker_more} = join '', map { model($log->{tier}{$_}) }
                                 @{ $log->{tiers} };

    my $ttls = join "\n", map { "weir_cache_ttl $log->{tier}{$_}{ttl}s "
                                . "model=tier-$_;" } @{ $log->{tiers} };
    my %edge = (
        http => 'weir_cache_zone answers 64m; keepalive_requests 1000000;',
        server => 'location = /metrics { weir_metrics; }',
        location => 'weir_api; weir_cache zone=answers scope='
                    . ($self->{share} // $log->{scope}) . "; $ttls");

    $a->{$_} = $edge{$_} for keys %edge;
    $self->{b} = Weir::Stack->new(edge_of => $a, %edge);

    return $self;
}


sub model {
    my ($tier) = @_;

    return <<END;
model "tier-$tier->{name}" {
    provider = "mock"
    input_price = $tier->{price}[0]
    output_price = $tier->{price}[1]
}
END
}


sub start {
    my ($self) = @_;

    $self->{a}->keys;
    $self->{keys} = { map { $_ => $self->{a}->create_key($_, 'submit,read') }
                      Weir::Workload::tenants() };
    $self->{a}->start;
    $self->{b}->start('nginx');

    return $self;
}


# replay(): what was not as predicted, in words.  A second time: with what the
# first one left in Redis, and new nginx that know nothing and count from 0

sub replay {
    my ($self) = @_;

    my ($a, $b) = @$self{qw(a b)};
    my $spent = $a->metric('cost_microdollars_total');

    if ($self->{replay}) {
        $_->stop('nginx'), $_->start('nginx') for $a, $b;
        $a->mock('/mock/calls', method => 'DELETE');
        $self->{predicted} = Weir::Workload::predict(@$self{qw(log predicted)});
    }

    $self->{replay} = Weir::Replay::replay($self->{log},
        ports => [$a->port, $b->port],
        keys => $self->{keys}, connections => $self->{connections});

    # a server may count when its answer is already here

    my $end = time + 3;

    do {
        $self->{counts} = [$self->counts($spent)];
    } while (time < $end && grep { $_->[1] != $_->[2] } @{ $self->{counts} });

    return Weir::Replay::compare($self->{replay}, $self->{predicted}),
           map { "$_->[0]: $_->[1], predicted $_->[2]" }
           grep { $_->[1] != $_->[2] } @{ $self->{counts} };
}


sub counts {
    my ($self, $spent) = @_;

    my ($a, $b) = @$self{qw(a b)};

    return Weir::Replay::counts(
        decode_json($a->mock('/mock/calls')->body)->{total},
        [map { $_->ask('/metrics')->body } $a, $b],
        $a->metric('cost_microdollars_total') - $spent, $self->{predicted});
}


sub table {
    my ($self) = @_;

    return Weir::Replay::table(@$self{qw(replay predicted)})
           . join '', map { "$_->[0]: $_->[1], predicted $_->[2]\n" }
                      @{ $self->{counts} };
}


sub stop {
    my ($self) = @_;

    $self->{b}->stop;
    $self->{a}->stop;
}


sub end {
    my ($self) = @_;

    $self->{b}->end;
    $self->{a}->end;
}


1;
