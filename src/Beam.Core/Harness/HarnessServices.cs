namespace Beam.Harness;

/// <summary>What all bundles of a harness share.</summary>
/// <param name="Options">How the harness was started.</param>
/// <param name="Setup">What functions see of the worker.</param>
/// <param name="Data">The streams of elements.</param>
/// <param name="State">The streams of state.</param>
/// <param name="SideInputs">Contents of side inputs that outlive a bundle.</param>
/// <param name="Sampler">Tells how long transforms take.</param>
/// <param name="Stopping">Cancelled when the harness ends.</param>
internal sealed record HarnessServices(
    SdkHarnessOptions Options, SetupContext Setup, DataClient Data, StateClient State, SideInputCache SideInputs, ExecutionSampler Sampler,
    CancellationToken Stopping);
