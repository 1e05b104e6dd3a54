namespace Beam;

/// <summary>An error that comes again whenever the same is tried again: a runner fails the job at once.</summary>
internal interface IDeterministicError;
