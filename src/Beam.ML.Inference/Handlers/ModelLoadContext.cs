namespace Beam.ML.Inference;

/// <summary>Where a model is loaded that is shared by the workers of a machine.</summary>
/// <param name="Copies">The processes of this machine that host a copy each, and so share its memory and processors.</param>
/// <param name="Folder">A folder of the job that the hosts of all copies and generations see, where a load may leave files for later ones. Names must begin with <c>model.</c></param>
public sealed record ModelLoadContext(int Copies, string Folder);
